"""One matrix at a time is edited, scored and put back: by hand, in every layout, and whatever the score does."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import nngraph as nng
from nngraph.errors import ArgumentError, FormatError, RoundTripError, StudyError
from nngraph.robustness import COLUMNS


class Mixed(nn.Module):
    """A matrix in every layout: an embedding, a packed projection, a bare parameter, a convolution, a linear map."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(7, 6)
        self.attn = nn.MultiheadAttention(6, 2, batch_first=True)
        self.bare = nn.Parameter(torch.randn(6, 5))
        self.conv = nn.Conv1d(6, 4, 3)
        self.norm = nn.LayerNorm(6)
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        h = self.embed(x)
        h = self.norm(h + self.attn(h, h, h, need_weights=False)[0])
        return self.fc(self.conv(h.transpose(1, 2)).mean(2)) + (h @ self.bare).mean()


def seeded(make):
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return make()


@pytest.fixture
def mixed():
    return seeded(Mixed)


def bits(model):
    return {name: value.detach().clone().view(torch.int32) for name, value in model.named_parameters()}


def same_bits(model, before):
    return all(torch.equal(value, before[name]) for name, value in bits(model).items())


def watched(parameter, seen):
    """A score that keeps a copy of a parameter each time."""

    def score(model):
        seen.append(dict(model.named_parameters())[parameter].detach().clone().numpy())
        return float(len(seen))

    return score


def smallest(values, n):
    chosen = np.zeros(values.size, dtype=bool)
    chosen[np.argsort(np.abs(values).reshape(-1), kind="stable")[:n]] = True
    return chosen.reshape(values.shape)


LAYOUTS = [
    ("embed", "embed.weight", np.s_[:]),
    ("attn.q", "attn.in_proj_weight", np.s_[0:6]),
    ("attn.v", "attn.in_proj_weight", np.s_[12:18]),
    ("attn.out", "attn.out_proj.weight", np.s_[:]),
    ("bare", "bare", np.s_[:]),
    ("conv", "conv.weight", np.s_[:]),
    ("fc", "fc.weight", np.s_[:]),
]


@pytest.mark.parametrize(("block", "parameter", "rows"), LAYOUTS)
def test_each_edit_is_written_where_the_matrix_lies_and_nowhere_else(mixed, block, parameter, rows):
    before, seen = bits(mixed), []
    own = dict(mixed.named_parameters())[parameter].detach().numpy().copy()
    probes = {"prune": [0.5, 1], "flip": [0.25], "noise": [0.1], "A": [0.5], "B": [0.5]}
    table = nng.layer_robustness(mixed, watched(parameter, seen), matrices=block, probes=probes, draws=1)
    assert set(table["status"]) == {"ok"}
    assert same_bits(mixed, before)
    points = [tuple(row) for row in table[["probe", "parameter", "form", "scale", "null"]].itertuples(index=False)]
    found = dict(zip(points, seen, strict=True))
    outside = np.ones(own.shape, dtype=bool)
    outside[rows] = False
    for values in seen:
        assert np.array_equal(values[outside], own[outside])
    matrix = own[rows]
    gone = smallest(matrix, round(matrix.size / 2))  # no two magnitudes are equal
    half = np.where(gone, 0, matrix)
    assert np.array_equal(found["none", 0, "full", "", ""], own)
    assert np.array_equal(found["prune", 0.5, "full", "", ""][rows], half)
    assert np.array_equal(found["prune", 0.5, "signed", "none", ""][rows], np.sign(half))
    scaled = np.sign(half) * np.abs(half[~gone]).mean(dtype=np.float64)
    assert np.allclose(found["prune", 0.5, "signed", "mean_abs", ""][rows], scaled, rtol=1e-6)
    assert not found["prune", 1, "full", "", ""][rows].any()
    flipped = np.where(smallest(matrix, round(matrix.size / 4)), -matrix, matrix)
    assert np.array_equal(found["flip", 0.25, "full", "", ""][rows], flipped)
    noise = found["noise", 0.1, "full", "", ""][rows] - matrix
    assert noise.all()
    assert 0.05 < noise.std() < 0.16
    assert np.array_equal(found["noise", 0.1, "signed", "none", ""][rows], np.sign(matrix + noise))
    for kind in "AB":
        drawn = found["prune", 0.5, "full", "", kind][rows]
        assert np.array_equal(drawn == 0, gone)
        assert np.array_equal(np.sort(drawn, axis=None), np.sort(half, axis=None))
        assert not np.array_equal(drawn, half)
        assert np.array_equal(np.sign(drawn), np.sign(half)) == (kind == "B")


def test_by_default_every_matrix_of_the_model_is_probed_and_what_is_no_matrix_is_not(mixed):
    table = nng.layer_robustness(mixed, lambda m: 1.0, probes={"prune": [0.5]}, scales=())
    assert set(table["matrix"]) == {"", "embed", "attn.q", "attn.k", "attn.v", "attn.out", "conv", "fc", "bare"}
    assert list(table.columns) == list(COLUMNS)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("fc.weight", ["fc"]),
        ("attn", ["attn.q", "attn.k", "attn.v", "attn.out"]),
        ("attn.in_proj_weight", ["attn.q", "attn.k", "attn.v"]),
        ("attn.out_proj", ["attn.out"]),
        (["fc", "embed", "fc.weight"], ["fc", "embed"]),
    ],
)
def test_matrices_go_by_the_names_of_parameters_modules_and_blocks(mixed, given, found):
    table = nng.layer_robustness(mixed, lambda m: 1.0, matrices=given, probes={"prune": [0.5]}, scales=())
    assert list(table["matrix"]) == ["", *found]


def test_modules_that_no_graph_is_made_of_do_not_matter_where_others_are_named(mixed):
    mixed.cell = nn.GRUCell(2, 2)
    table = nng.layer_robustness(mixed, lambda m: 1.0, matrices="fc", probes={"prune": [0.5]}, scales=())
    assert list(table["matrix"]) == ["", "fc"]


def test_a_matrix_that_two_modules_share_is_edited_once_and_both_show_it():
    model = seeded(lambda: nn.ModuleDict({"embed": nn.Embedding(5, 4), "head": nn.Linear(4, 5, bias=False)}))
    model["head"].weight = model["embed"].weight
    table = nng.layer_robustness(model, lambda m: float(m["head"].weight.abs().sum()), probes={"prune": [1]}, scales=())
    assert list(table["matrix"]) == ["", "embed"]
    assert table["value"].iloc[1] == 0


def test_zeros_are_no_edges_and_negative_zeros_come_back():
    model = seeded(lambda: nn.Linear(4, 4))
    with torch.no_grad():
        model.weight[0] = -0.0
    before, seen = bits(model), []
    nng.layer_robustness(model, watched("weight", seen), probes={"A": [0], "noise": [1]}, draws=2, scales=())
    assert same_bits(model, before)
    assert all(not values[0].any() for values in seen)


class Interrupted(BaseException):
    pass


@pytest.mark.parametrize("error", [KeyboardInterrupt, Interrupted, SystemExit])
def test_the_model_gets_its_bits_and_modes_back_when_it_is_interrupted(mixed, error):
    mixed.train()
    mixed.norm.eval()
    before, calls = bits(mixed), []

    def score(model):
        assert not any(module.training for module in model.modules())
        assert not torch.is_grad_enabled()
        calls.append(1)
        if len(calls) == 4:
            raise error
        return 1.0

    with pytest.raises(error):
        nng.layer_robustness(mixed, score, matrices="attn.q", probes={"noise": [0.1, 1.0]})
    assert same_bits(mixed, before)
    assert mixed.training
    assert mixed.fc.training
    assert not mixed.norm.training
    assert torch.is_grad_enabled()


def refuses_nothing_left(model):
    if not model.fc.weight.any():
        raise RuntimeError("all weights\nare gone")
    return float(model.fc.weight.sum())


def test_a_score_that_fails_on_one_matrix_costs_a_row_and_no_more(mixed):
    table = nng.layer_robustness(mixed, refuses_nothing_left, matrices=["fc", "conv"], probes={"prune": [0.5, 1]})
    failed = table[table["status"] != "ok"]
    assert failed[["matrix", "parameter", "status"]].to_numpy().tolist() == [
        ["fc", 1.0, "failed: all weights are gone"]
    ]
    assert failed["value"].isna().all()


@pytest.mark.parametrize("value", [math.nan, math.inf, None, "0.5", True, 1j, torch.ones(2), np.ones(1)])
def test_what_is_no_finite_number_is_a_failed_row(value):
    model = seeded(lambda: nn.Linear(3, 2))
    table = nng.layer_robustness(model, lambda m: 1.0 if m.weight.any() else value, probes={"prune": [0.5, 1]})
    assert list(table["status"].str.startswith("failed: score: returned")) == [False, False, False, False, True]
    assert math.isnan(table["value"].iloc[-1])


@pytest.mark.parametrize("value", [1, np.float32(1), torch.tensor(1.0), np.array(1.0)])
def test_numbers_of_any_library_are_scores(value):
    table = nng.layer_robustness(seeded(lambda: nn.Linear(3, 2)), lambda m: value, probes={"prune": [1]})
    assert list(table["value"]) == [1.0, 1.0]


def test_a_null_model_without_another_graph_says_so():
    model = nn.Linear(3, 1)
    with torch.no_grad():
        model.weight.fill_(0.5)
    table = nng.layer_robustness(model, lambda m: 1.0, probes={"A": [0.0]}, draws=2)
    assert list(table["status"].str[:8]) == ["ok", "no draw:", "no draw:"]


def test_a_draw_depends_on_its_own_name_alone(mixed):
    def score(model):
        return float((model.fc.weight.reshape(-1) * torch.arange(12)).sum())

    probes = {"A": [0, 0.5], "noise": [0.1, 0.2]}
    many = nng.layer_robustness(mixed, score, matrices=["conv", "fc"], probes=probes, draws=3, rng=5)
    few = nng.layer_robustness(mixed, score, matrices="fc", probes={"noise": [0.2], "A": [0.5]}, draws=2, rng=5)
    other = nng.layer_robustness(mixed, score, matrices="fc", probes={"noise": [0.2], "A": [0.5]}, draws=2, rng=6)
    key = ["matrix", "probe", "parameter", "form", "scale", "null", "draw"]
    both = many.merge(few, on=key)
    assert len(both) == len(few) == 9
    assert (both["value_x"] == both["value_y"]).all()
    assert not (few["value"].iloc[1:] == other["value"].iloc[1:]).any()
    drawn = many[(many["matrix"] == "fc") & (many["form"] == "full")]["value"]
    assert drawn.nunique() == len(drawn)


def test_the_twin_s_matrix_takes_the_place_of_the_trained_one(mixed):
    twin, seen = Mixed(), []
    nng.layer_robustness(mixed, watched("fc.weight", seen), matrices="fc", probes={"prune": [1]}, twin=twin)
    assert np.array_equal(seen[-1], twin.fc.weight.detach().numpy())
    with pytest.raises(RoundTripError, match=r"twin: got no such parameter for 'fc\.weight'"):
        nng.layer_robustness(mixed, lambda m: 1.0, matrices="fc", twin=nn.Linear(4, 3))


def norm_of_everything(model):
    return float(sum((value * value).sum() for value in model.parameters()))


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_the_table_is_the_same_from_several_processes_and_no_thread_edits_the_model_of_another(mixed, backend):
    import joblib

    before = bits(mixed)
    options = {"matrices": ["fc", "attn.q"], "probes": {"prune": [0.5, 1], "B": [0.0], "noise": [1.0]}, "draws": 2}
    alone = nng.layer_robustness(mixed, norm_of_everything, **options)
    with joblib.parallel_config(backend=backend):
        together = nng.layer_robustness(mixed, norm_of_everything, n_jobs=2, **options)
    pd.testing.assert_frame_equal(alone, together, check_exact=False, rtol=1e-6)
    assert same_bits(mixed, before)


def test_what_is_done_is_kept_and_not_done_again_and_what_failed_is(tmp_path, mixed):
    calls, broken = [], [True]

    def score(model):
        calls.append(1)
        if broken[0] and not model.conv.weight.any():
            raise RuntimeError("broken")
        return float(model.fc.weight.sum() + model.conv.weight.sum())

    def run(**changes):
        calls.clear()
        options = {"matrices": ["fc", "conv"], "probes": {"prune": [0.5, 1], "A": [0]}, "draws": 2, "scales": ()}
        return nng.layer_robustness(mixed, score, folder=tmp_path / "made" / "here", **(options | changes))

    first = run()
    assert (len(calls), list(first["status"]).count("failed: broken")) == (9, 1)
    broken[0] = False
    second = run()
    assert len(calls) == 3  # the model as it is, and the two edits of the piece that failed
    assert set(second["status"]) == {"ok"}
    third = run()
    assert len(calls) == 1
    pd.testing.assert_frame_equal(second, third)
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "made" / "here" / "results.csv", keep_default_na=False), third, check_exact=False
    )
    for changes in ({"draws": 3}, {"rng": 1}, {"probes": {"A": [0]}}, {"matrices": "fc"}, {"twin": Mixed()}):
        with pytest.raises(StudyError, match="holds results of other settings"):
            run(**changes)
    with torch.no_grad():
        mixed.bare += 1
    with pytest.raises(StudyError, match="has another model"):
        run()


def test_a_piece_of_another_form_is_refused_by_name(tmp_path):
    model = seeded(lambda: nn.Linear(3, 2))

    def run():
        return nng.layer_robustness(model, lambda m: 1.0, probes={"prune": [1]}, folder=tmp_path)

    run()
    (part,) = (tmp_path / "parts").iterdir()
    for text in ("{", json.dumps([["a", 1]]), json.dumps([3])):
        part.write_text(text)
        with pytest.raises(FormatError, match=r"linear-prune\.json"):
            run()


def test_a_piece_with_fewer_rows_than_were_asked_for_is_not_taken_as_whole(tmp_path):
    model = seeded(lambda: nn.Linear(3, 2))

    def run():
        return nng.layer_robustness(model, lambda m: 1.0, probes={"prune": [0.5, 1]}, folder=tmp_path)

    run()
    (part,) = (tmp_path / "parts").iterdir()
    rows = json.loads(part.read_text())
    for kept in ([], rows[:-1], rows[::-1]):
        part.write_text(json.dumps(kept))
        with pytest.raises(FormatError, match=rf"has {len(kept)} rows, which are not the 4 of its matrix and probe"):
            run()


def test_half_precision_models_are_probed_and_kept(tmp_path):
    model = seeded(lambda: nn.Linear(6, 5).to(torch.bfloat16))
    before = model.weight.detach().clone()
    table = nng.layer_robustness(
        model, lambda m: float(m.weight.float().abs().sum()), probes={"prune": [0.5], "B": [0]}, folder=tmp_path
    )
    assert set(table["status"]) == {"ok"}
    assert torch.equal(model.weight, before)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"score": 3}, "score: got 3; expected a function"),
        ({"score": lambda m: math.nan}, "score: failed on the model as it is .*returned nan"),
        ({"matrices": "fd"}, "matrices: got 'fd', which names no weight matrix"),
        ({"matrices": "norm"}, "matrices: got 'norm', which names no weight matrix"),
        ({"matrices": [3]}, "matrices: got 3"),
        ({"matrices": []}, r"matrices: got \[\], so that none is chosen"),
        ({"probes": {}}, "probes: got {}"),
        ({"probes": {"H": [0]}}, "probes: got 'H'"),
        ({"probes": {"prune": [1.5]}}, "probes: prune: got 1.5"),
        ({"probes": {"A": "0"}}, "probes: got '0' for 'A'"),
        ({"probes": {"noise": [-1]}}, "probes: noise: got -1"),
        ({"probes": {"flip": [0.5, 0.5]}}, "each value once"),
        ({"scales": "mean_abs"}, "scales: got 'mean_abs'"),
        ({"scales": ["mean"]}, "scales: got 'mean'"),
        ({"draws": 0}, "draws: got 0"),
        ({"n_jobs": 0}, "n_jobs: got 0"),
    ],
)
def test_bad_arguments_are_told_in_one_sentence_before_anything_is_done(mixed, changes, match):
    score = changes.pop("score", lambda m: 1.0)
    with pytest.raises(ArgumentError, match=match):
        nng.layer_robustness(mixed, score, **changes)


def row(matrix, probe, parameter, value, *, scale="", null="", draw=0):
    form = "signed" if scale else "full"
    return (matrix, probe, parameter, form, scale, null, draw, value, "ok" if value == value else "failed: no")


def test_the_summary_is_what_the_definitions_say():
    table = pd.DataFrame(
        [
            row("", "none", 0, 0.9),
            row("w", "prune", 0.5, 0.7),
            row("w", "prune", 0.9, 0.5),
            row("w", "prune", 1.0, 0.1),
            row("w", "prune", 0.5, 0.4, scale="none"),
            row("w", "prune", 0.5, 0.6, scale="mean_abs"),
            *(row("w", "prune", 0.5, value, null="A", draw=i) for i, value in enumerate((0.1, 0.2, 0.9))),
            row("w", "twin", 0, 0.3),
            row("v", "prune", 0.5, math.nan),
        ],
        columns=list(COLUMNS),
    )
    found = nng.robustness_table(table, chance=0.1)
    w = found.loc["w"]
    assert list(found.columns) == ["untouched", "removed", "drop", "area", "signed", "scaled", "A", "twin", "collapsed"]
    assert (w["untouched"], w["removed"], w["signed"], w["scaled"], w["A"], w["twin"]) == (0.9, 0.1, 0.4, 0.6, 0.2, 0.3)
    assert w["drop"] == pytest.approx(0.4)
    # heights (1, .75, .5, 0) at (0, .5, .9, 1)
    assert w["area"] == pytest.approx(0.875 * 0.5 + 0.625 * 0.4 + 0.25 * 0.1)
    assert w["collapsed"] == "signed, A, twin"
    assert found.loc["v", ["removed", "drop", "area", "signed", "A", "twin"]].isna().all()


def test_a_summary_of_what_is_no_table_or_no_better_than_chance_is_refused():
    with pytest.raises(ArgumentError, match="table: got int; expected the table that layer_robustness returns"):
        nng.robustness_table(3)
    with pytest.raises(ArgumentError, match="no column 'matrix'"):
        nng.robustness_table(pd.DataFrame())
    table = pd.DataFrame([row("", "none", 0, -2.0)], columns=list(COLUMNS))
    with pytest.raises(ArgumentError, match="negate a loss"):
        nng.robustness_table(table)


def test_a_matrix_that_does_the_work_is_told_from_one_that_does_none():
    """Of two branches that are added, one is multiplied by zero: only the other can lose accuracy."""

    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.idle = nn.Linear(8, 4), nn.Linear(8, 4)

        def forward(self, x):
            return self.used(x) + 0 * self.idle(x)

    model = seeded(Branches)
    x = torch.randn(200, 8, generator=torch.Generator().manual_seed(0))
    y = model(x).argmax(1)
    rows = nng.layer_robustness(model, lambda m: float((m(x).argmax(1) == y).float().mean()), draws=3)
    found = nng.robustness_table(rows, chance=0.25)
    assert found.loc["idle", "area"] == 1
    assert found.loc["idle", "collapsed"] == ""
    assert found.loc["used", "removed"] < 0.6
    assert "A" in found.loc["used", "collapsed"]
    assert found.loc["used", "area"] < 1
