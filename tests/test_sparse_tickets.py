"""Lottery tickets: what is pruned and rewound, what controls keep, and which event comes first."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import nngraph as nng
from nngraph.errors import ArgumentError, StudyError

X = torch.linspace(-1, 1, 24).reshape(12, 2)
Y = torch.arange(12) % 3


def untrained(model, seed):
    """A training that leaves the weights as they are."""


def training(steps=6, lr=0.05, optimizer=torch.optim.Adam, **options):
    def train(model, seed):
        order = torch.randperm(len(X))  # of torch's own generator, which is seeded for each round
        used = optimizer(model.parameters(), lr=lr, **options)
        for step in range(steps):
            rows = order[2 * step % 12 :][:2]
            used.zero_grad()
            nn.functional.cross_entropy(model(X[rows]), Y[rows]).backward()
            used.step()
            yield

    return train


def net(rng=0):
    return nng.mlp((2, 12, 7, 3), rng=rng)


def weights_of(model):
    return [layer.weight.detach().numpy().copy() for layer in model if isinstance(layer, nn.Linear)]


def accuracy(model):
    return {"accuracy": float((model(X).argmax(1) == Y).double().mean())}


# ----------------------------------------------------------------------- what is pruned


@settings(max_examples=12)
@given(fraction=st.floats(0.05, 0.9), rounds=st.integers(1, 4))
def test_every_block_loses_the_rounded_share_of_its_edges_and_keeps_one(fraction, rounds):
    found = nng.sparse.lottery_tickets(net(), untrained, rounds, fraction=fraction, rng=0)
    expected = [24, 84, 21]
    for number in range(1, rounds + 1):
        shares = [fraction, fraction, fraction / 2]
        expected = [max(n - round(round(p * n, 6)), 1) for n, p in zip(expected, shares, strict=True)]
        assert [block.n_edges for block in found.graph(number).blocks] == expected
        assert found.rounds["edges"][number] == sum(expected)


def test_densities_follow_the_geometric_law_to_within_the_rounding_of_counts():
    found = nng.sparse.lottery_tickets(nng.mlp((40, 30, 10), rng=0), untrained, 12, fraction=0.25, rng=0)
    for block, n, p in (("0", 1200, 0.25), ("2", 300, 0.125)):
        law = n * (1 - p) ** found.rounds["round"]
        assert (abs(n * found.rounds[f"density:{block}"] - law) <= 0.5 / p).all()
    assert found.rounds["density"].iloc[-1] == found.rounds["edges"].iloc[-1] / 1500


def test_the_smallest_trained_magnitudes_go_and_the_others_stay():
    found = nng.sparse.lottery_tickets(net(), training(), 3, fraction=0.3, rng=1)
    for number in range(3):
        before, after = found.graph(number), found.masks(number + 1)
        for block in before.blocks:
            order = np.argsort(abs(block.values), kind="stable")
            n = block.n_edges - int(after[block.name].sum())
            flat = np.arange(block.n_source * block.n_target)
            present = flat if block.mask is None else np.flatnonzero(block.mask)
            assert sorted(present[order[n:]]) == np.flatnonzero(after[block.name]).tolist()


def test_rates_of_single_blocks_take_the_place_of_the_usual_ones():
    found = nng.sparse.lottery_tickets(net(), untrained, 1, fraction=0.5, rates={"0": 0.0, "4": 0.9}, rng=0)
    assert [block.n_edges for block in found.graph(1).blocks] == [24, 42, 2]


def test_tied_matrices_are_pruned_once():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.emb = nn.Embedding(6, 4)
            self.out = nn.Linear(4, 6, bias=False)
            self.out.weight = self.emb.weight

        def forward(self, x):
            return self.out(self.emb(x))

    found = nng.sparse.lottery_tickets(Tied(), untrained, 2, fraction=0.5, rates={"out": 0.5}, rng=0)
    assert [block.n_edges for block in found.graph(2).blocks] == [6, 6]


def test_an_edge_that_training_leaves_at_zero_is_present_and_goes_first():
    def train(model, seed):
        with torch.no_grad():
            model[0].weight[3, 1] = 0

    found = nng.sparse.lottery_tickets(net(), train, 1, fraction=0.04, rng=0)
    assert found.graph(0).block("0").n_edges == 24
    assert np.argwhere(~found.masks(1)["0"]).tolist() == [[3, 1]]


# ----------------------------------------------------------------------- what is rewound


def test_survivors_and_biases_start_each_round_from_the_bits_of_the_model_that_was_given():
    seen, model = [], net()

    def train(masked, seed):
        seen.append(({k: v.clone() for k, v in masked.state_dict().items()}, weights_of(masked)))
        yield from training()(masked, seed)

    before = [value.clone() for value in model.state_dict().values()]
    found = nng.sparse.lottery_tickets(model, train, 3, rng=0)
    assert all(torch.equal(a, b) for a, b in zip(before, model.state_dict().values(), strict=True))
    for number, (state, weights) in enumerate(seen):
        for mask, now, first in zip(found.masks(number).values(), weights, weights_of(model), strict=True):
            assert np.array_equal(now, np.where(mask, first, 0))
        assert all(torch.equal(state[f"{i}.bias"], model[i].bias) for i in (0, 2, 4))
        assert found.initial(number) == nng.from_torch(found.trainer.model(found.initial(number), {}), zeros="keep")


def test_rewinding_to_a_step_starts_later_rounds_from_the_weights_after_it():
    kept, starts = [], []

    def train(model, seed):
        starts.append(weights_of(model))
        for step, _ in enumerate(training()(model, seed), 1):
            if len(starts) == 1 and step == 4:
                kept.extend(weights_of(model))
            yield

    found = nng.sparse.lottery_tickets(net(), train, 2, rewind=4, rng=0)
    for number in (1, 2):
        for mask, start, after in zip(found.masks(number).values(), starts[number], kept, strict=True):
            assert np.array_equal(start, np.where(mask, after, 0))
    assert not np.array_equal(kept[0], starts[0][0])


@pytest.mark.parametrize(
    "options",
    [{"weight_decay": 0.1}, {"optimizer": torch.optim.SGD, "momentum": 0.9}, {"optimizer": torch.optim.AdamW}],
    ids=["adam", "momentum", "adamw"],
)
def test_no_optimiser_revives_an_absent_edge(options):
    seen = []

    def train(model, seed):
        for _ in training(**options)(model, seed):
            model(X)
            seen.append([int((weight != 0).sum()) for weight in weights_of(model)])
            yield

    found = nng.sparse.lottery_tickets(net(), train, 2, fraction=0.5, rng=0)
    sizes = [[block.n_edges for block in found.graph(number).blocks] for number in range(3)]
    assert seen == [size for size in sizes for _ in range(6)]
    again = found.model(2)
    optimizer = torch.optim.SGD(again.parameters(), lr=1.0, momentum=0.9)
    for _ in range(3):
        nn.functional.cross_entropy(again(X), Y).backward()
        optimizer.step()
    assert nng.from_torch(again, zeros="keep").n_edges == sum(sizes[2])


class Normalised(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))


@pytest.mark.parametrize("in_folder", [False, True])
def test_the_model_of_a_round_is_the_one_that_was_scored_with_its_normalisation(tmp_path, in_folder):
    outputs = []

    def scores(model):
        assert not model.training
        assert not torch.is_grad_enabled()
        outputs.append(model(X).clone())
        return {"mean": outputs[-1].mean()}

    folder = tmp_path / "rounds" if in_folder else None
    found = nng.sparse.lottery_tickets(Normalised(), training(), 2, scores=scores, folder=folder, rng=0)
    for number in range(3):
        assert torch.equal(found.model(number)(X), outputs[number])
        assert found.rounds["mean"][number] == float(outputs[number].mean())
    assert not torch.equal(found.model(0)[1].running_mean, found.model(2)[1].running_mean)


def test_the_same_seed_gives_the_same_rounds_whatever_torch_has_drawn_before_and_draws_nothing_from_it():
    torch.manual_seed(5)
    first = nng.sparse.lottery_tickets(net(), training(), 2, rng=3)
    assert torch.equal(torch.rand(3), torch.rand(3, generator=torch.Generator().manual_seed(5)))
    torch.manual_seed(6)
    again, other = (nng.sparse.lottery_tickets(net(), training(), 2, rng=rng) for rng in (3, 4))
    assert first.graphs == again.graphs
    assert first.graphs != other.graphs


# ----------------------------------------------------------------------- folders and failures


@pytest.mark.parametrize("rewind", ["init", 2])
def test_a_run_that_was_cut_short_goes_on_and_ends_as_one_that_was_not(tmp_path, rewind):
    calls = []

    def train(model, seed):
        calls.append(seed)
        if len(calls) == 3:
            raise KeyboardInterrupt
        yield from training()(model, seed)

    def run():
        return nng.sparse.lottery_tickets(
            net(), train, 3, rewind=rewind, scores=accuracy, folder=tmp_path / "run", rng=7
        )

    with pytest.raises(KeyboardInterrupt):
        run()
    there = {path: path.read_bytes() for path in (tmp_path / "run").glob("round_00[01]*")}
    found = run()
    whole = nng.sparse.lottery_tickets(net(), training(), 3, rewind=rewind, scores=accuracy, rng=7)
    assert found.graphs == whole.graphs
    pd.testing.assert_frame_equal(found.rounds.drop(columns="seconds"), whole.rounds.drop(columns="seconds"))
    assert len(there) == 6
    assert all(path.read_bytes() == content for path, content in there.items())
    assert len(calls) == 5
    run()
    assert len(calls) == 5


def test_more_rounds_go_on_from_those_in_the_folder(tmp_path):
    few = nng.sparse.lottery_tickets(net(), training(), 1, folder=tmp_path / "run", rng=7)
    more = nng.sparse.lottery_tickets(net(), training(), 3, folder=tmp_path / "run", rng=7)
    assert (few.trained, more.trained) == ([0, 1], [0, 1, 2, 3])
    assert more.graphs == nng.sparse.lottery_tickets(net(), training(), 3, rng=7).graphs


@pytest.mark.parametrize("changed", [{"rng": 8}, {"fraction": 0.3}, {"rewind": 2}, {"rates": {"0": 0.5}}, "model"])
def test_a_folder_of_other_settings_is_refused(tmp_path, changed):
    given = {"fraction": 0.2, "folder": tmp_path / "run", "rng": 7}
    nng.sparse.lottery_tickets(net(), training(), 1, **given)
    with pytest.raises(StudyError, match="holds results of other settings"):
        nng.sparse.lottery_tickets(
            net(1 if changed == "model" else 0), training(), 1, **(given if changed == "model" else given | changed)
        )


@pytest.mark.parametrize("way", ["nan", "raises"])
def test_a_training_that_diverges_fails_its_round_and_keeps_the_earlier_ones(tmp_path, way):
    calls = []

    def train(model, seed):
        calls.append(seed)
        if len(calls) == 3:
            if way == "raises":
                raise FloatingPointError("the loss is nan")
            with torch.no_grad():
                model[2].bias[0] = float("nan")
        else:
            for _ in training()(model, seed):
                pass

    def run():
        return nng.sparse.lottery_tickets(net(), train, 5, scores=accuracy, folder=tmp_path / "run", rng=0)

    found = run()
    reason = "2.bias is not finite after training" if way == "nan" else "FloatingPointError: the loss is nan"
    assert found.rounds["status"].tolist() == ["ok", "ok", f"failed: {reason}"]
    assert math.isnan(found.rounds["accuracy"].iloc[-1])
    assert found.trained == [0, 1]
    with pytest.raises(ArgumentError, match=r"round: got 2; expected one of those that were trained: \[0, 1\]"):
        found.graph(2)
    assert run().trained == [0, 1]
    assert len(calls) == 3


def test_masks_that_a_training_takes_off_are_missed():
    def train(model, seed):
        if seed != first[0]:
            nn.utils.prune.remove(model[0], "weight")

    first = []
    nng.sparse.lottery_tickets(net(), lambda model, seed: first.append(seed), 0, rng=0)
    with pytest.raises(ArgumentError, match="took pruning masks off"):
        nng.sparse.lottery_tickets(net(), train, 1, rng=0)


BAD = {
    "rounds": ({"rounds": -1}, "rounds: got -1; expected a whole number of at least 0"),
    "fraction": ({"fraction": 1.0}, "fraction: got 1.0; expected a number between 0 and 1"),
    "block": ({"rates": {"7": 0.1}}, "rates: got the block '7'; this model has '0', '2', '4'"),
    "rate": ({"rates": {"0": 1}}, r"rates\['0'\]: got 1; expected a number from 0 to below 1"),
    "rewind": ({"rewind": 0}, "rewind: got 0; expected a whole number of at least 1, or 'init'"),
    "late": ({"rewind": 9}, "rewind: got 9, but the training yielded 6 times"),
    "seed": ({"folder": "unused", "rng": None}, "rng: got None with a folder; expected a seed"),
    "scores": ({"scores": lambda model: 0.5}, "scores: got float; expected a mapping"),
}


@pytest.mark.parametrize("name", BAD)
def test_arguments_out_of_range_get_one_sentence(name):
    options, message = BAD[name]
    with pytest.raises(ArgumentError, match=message):
        nng.sparse.lottery_tickets(net(), training(), **({"rounds": 1, "rng": 0} | options))


# ----------------------------------------------------------------------- controls


@pytest.fixture(scope="module")
def tickets():
    model = nng.mlp((2, 30, 20, 3), rng=0)
    return nng.sparse.lottery_tickets(model, training(), 4, fraction=0.3, scores=accuracy, rng=0)


@pytest.mark.parametrize("kind", ["random", "shuffle", "degree", "reinitialize", "signed_configuration"])
@pytest.mark.filterwarnings("ignore:kind .* has no legal move:nngraph.errors.NullModelWarning")
def test_a_control_has_as_many_edges_in_each_block_and_the_biases_of_the_ticket(tickets, kind):
    control = nng.sparse.ticket_control(tickets, kind)
    assert control.trained == [1, 2, 3, 4]
    counts = [name for name in tickets.rounds if name.startswith(("density", "edges"))]
    pd.testing.assert_frame_equal(control.rounds[counts], tickets.rounds[counts].iloc[1:].reset_index(drop=True))
    for number in control.trained:
        own, its = control.initial(number), tickets.initial(number)
        assert nng.nulls.shared(its, own) >= {"density"}
        assert all(np.array_equal(a.bias, b.bias) for a, b in zip(own.blocks, its.blocks, strict=True))
        assert control.masks(number).keys() == tickets.masks(number).keys()
        assert own != its
        assert own.blocks != control.graph(number).blocks


def test_random_masks_are_nested_and_hold_the_weights_of_the_whole_network(tickets):
    control = nng.sparse.ticket_control(tickets, "random")
    start, last = tickets.initial(0), None
    for number in control.trained:
        G = control.initial(number)
        for block, whole in zip(G.blocks, start.blocks, strict=True):
            assert np.array_equal(block.dense(), np.where(control.masks(number)[block.name], whole.dense(), 0))
            assert last is None or not (control.masks(number)[block.name] & ~last[block.name]).any()
        last = control.masks(number)
    assert any((last[name] != mask).any() for name, mask in tickets.masks(4).items())


def test_cells_of_a_random_mask_are_uniform(tickets):
    hits = np.zeros((30, 2))
    for seed in range(400):
        hits += (
            nng.sparse.tickets._at_random(tickets.initial(0), tickets.graph(4), np.random.SeedSequence(seed))
            .block(0)
            .mask
        )
    n = tickets.graph(4).block(0).n_edges
    expected = 400 * n / 60
    chi = ((hits - expected) ** 2).sum() / (expected * (1 - n / 60))
    assert 30 < chi < 95  # chi-square with 59 degrees of freedom: both tails below 0.002


def test_a_shuffled_ticket_has_the_weights_of_the_ticket_elsewhere_and_a_reinitialised_one_others_there(tickets):
    shuffled, fresh = (nng.sparse.ticket_control(tickets, kind, rounds=[3]) for kind in ("shuffle", "reinitialize"))
    for block, other, new in zip(
        tickets.initial(3).blocks, shuffled.initial(3).blocks, fresh.initial(3).blocks, strict=True
    ):
        assert np.array_equal(np.sort(block.values), np.sort(other.values))
        assert not block.same_support(other)
        assert block.same_support(new)
        assert not (block.values == new.values).any()
        assert (abs(new.values) <= 1 / np.sqrt(block.n_source)).all()


def test_the_degree_control_keeps_all_degrees_and_moves_edges(tickets):
    control = nng.sparse.ticket_control(tickets, "degree", rounds=[3])
    for side in ("source", "target"):
        own, its = (nng.stats.degree(G, side=side) for G in (control.initial(3), tickets.initial(3)))
        assert own.equals(its)
    assert not control.initial(3).block("2").same_support(tickets.initial(3).block("2"))


def test_a_control_is_the_same_each_time_goes_on_in_its_folder_and_refuses_that_of_another(tickets, tmp_path):
    first = nng.sparse.ticket_control(tickets, "random", rounds=[2])
    again = nng.sparse.ticket_control(tickets, "random", rounds=[1, 2], folder=tmp_path / "random")
    assert first.graph(2) == again.graph(2)
    other = nng.sparse.ticket_control(tickets, "random", rounds=[2], rng=1)
    assert first.graph(2) != other.graph(2)
    with pytest.raises(StudyError, match="other settings"):
        nng.sparse.ticket_control(tickets, "shuffle", rounds=[2], folder=tmp_path / "random")


def test_controls_of_rewound_tickets_start_from_the_weights_after_the_step():
    found = nng.sparse.lottery_tickets(net(), training(), 2, rewind=3, rng=0)
    control = nng.sparse.ticket_control(found, "random", rounds=[2])
    for block, mask in zip(control.initial(2).blocks, control.masks(2).values(), strict=True):
        late = found._store.kept("start")[0].block(block.name).dense()
        assert np.array_equal(block.dense(), np.where(mask, late, 0))
        assert not np.array_equal(late, found.initial(0).block(block.name).dense())


def test_a_control_that_is_none_is_refused(tickets):
    with pytest.raises(ArgumentError, match="kind: got 'rewire'"):
        nng.sparse.ticket_control(tickets, "rewire")
    with pytest.raises(ArgumentError, match="round: got 9"):
        nng.sparse.ticket_control(tickets, "random", rounds=[9])
    control = nng.sparse.ticket_control(tickets, "random", rounds=[1])
    with pytest.raises(ArgumentError, match="expected the Tickets that lottery_tickets gave"):
        nng.sparse.ticket_control(control, "random")


# ----------------------------------------------------------------------- measures


def test_measures_are_those_of_the_graph_and_their_scores_those_of_its_null_model(tickets):
    found = nng.sparse.ticket_measures(tickets, ["spanning", "weight_moments", "pathways"], n=20, rng=0)
    assert sorted(found["round"].unique()) == tickets.trained
    assert found["accuracy"].tolist() == tickets.rounds["accuracy"].repeat(3 + 3 + 8).tolist()
    one = found[found["round"] == 3].set_index("measure")
    G = tickets.graph(3)
    expected = {
        f"{f.__name__}:{key}": value for f in (nng.stats.spanning, nng.stats.pathways) for key, value in f(G).items()
    }
    assert one.loc[list(expected), "observed"].tolist() == list(expected.values())
    support = {"spanning:nodes", "spanning:edges", "spanning:pairs", "pathways:paths", "pathways:log10_paths"}
    assert set(one.index[one["of"] == "support"]) == support
    assert one.loc["weight_moments:mean", "status"] == "invariant: nothing was tested"
    varied = one["status"] == "ok"
    z = (one["observed"] - one["mean"]) / one["sd"]
    assert np.allclose(one["z"][varied], z[varied])
    assert np.allclose(one["effect"], (one["observed"] - one["mean"]) / np.maximum(1, abs(one["mean"])))


def test_all_measures_of_the_default_are_taken_layer_by_layer_where_they_are_of_degrees(tickets):
    found = nng.sparse.ticket_measures(tickets, rounds=[4], n=5, rng=0).set_index("measure")["observed"]
    G = tickets.graph(4)
    for block in G.blocks:
        k = np.count_nonzero(block.mask, axis=1)
        p = k.mean() / block.n_source
        assert found[f"degree:target_max@{block.name}"] == k.max()
        H = (k**2).mean() / k.mean() ** 2
        assert found[f"degree:target_heterogeneity@{block.name}"] == pytest.approx(H)
        assert found[f"degree:target_excess@{block.name}"] == pytest.approx(H / (1 + (1 - p) / (p * block.n_source)))
    w = G.weights().astype(float)
    assert found["weight:mean_over_magnitude"] == pytest.approx(w.mean() / abs(w).mean())
    assert {name.split(":")[0] for name in found.index} == set(nng.sparse.MEASURES)


def test_a_mask_with_hubs_departs_and_a_random_one_does_not():
    def hubs(model, seed):
        with torch.no_grad():
            dict(model[0].named_parameters()).get("weight_orig", model[0].weight)[:5] *= 100

    found = nng.sparse.lottery_tickets(nng.mlp((30, 40, 4), rng=0), hubs, 5, fraction=0.3, rng=0)
    control = nng.sparse.ticket_control(found, "random")
    name = "degree_moments:target_sd"
    tables = [nng.sparse.ticket_measures(one, "degree_moments", n=60, rng=0) for one in (found, control)]
    first = [nng.sparse.departures(table).set_index("measure")["round"] for table in tables]
    assert first[0][name] == 1
    assert math.isnan(first[1][name])


def test_scores_against_trained_controls_allow_for_their_small_number():
    scipy_stats = pytest.importorskip("scipy.stats")
    row = {"round": 2, "density": 0.5, "measure": "a", "of": "support", "null": "dealt", "accuracy": 0.5}
    values = [1.0, 2.0, 4.0, 3.5]
    controls = [pd.DataFrame([row | {"observed": x}]) for x in values]
    (found,) = nng.sparse.against_controls(pd.DataFrame([row | {"observed": 9.0}]), controls).to_dict("records")
    t = (9 - np.mean(values)) / (np.std(values, ddof=1) * np.sqrt(1.25))
    assert found["z"] == pytest.approx(scipy_stats.norm.isf(scipy_stats.t.sf(t, 3)))
    assert (found["null"], found["n"], found["status"]) == ("trained", 4, "ok")
    assert found["effect"] == pytest.approx((9 - np.mean(values)) / np.mean(values))
    with pytest.raises(ArgumentError, match="at least three seeds"):
        nng.sparse.against_controls(pd.DataFrame([row]), controls[:2])


# ----------------------------------------------------------------------- which comes first


def run(z, accuracy, **columns):
    rounds = range(len(z))
    table = {"round": rounds, "density": 0.5, "measure": "a", "null": "dealt", "z": z, "accuracy": accuracy}
    return pd.DataFrame(table | columns)


NEVER = [0.9] * 5


@pytest.mark.parametrize(
    ("z", "expected"),
    [
        ([0, 4, 4, 0, 0], 1),
        ([0, 4, 0, 4, -4], 3),
        ([4, 4, 0, 0, 0], 0),
        ([0, 0, 0, 0, 9], None),
        ([np.nan, 4, np.nan, 4, 4], 3),
        ([3, 3, 3, 3, 3], None),
        ([0, np.inf, -np.inf, 0, 0], 1),
    ],
)
def test_a_measure_departs_at_the_first_of_two_rounds_in_a_row_beyond_the_threshold(z, expected):
    (found,) = nng.sparse.departures(run(np.array(z, float), NEVER))["round"]
    assert found == expected or (expected is None and math.isnan(found))


def test_departures_by_effect_look_at_the_size_of_the_difference():
    table = run([100.0] * 5, NEVER, effect=[0.0, 0.05, 0.2, -0.2, 0.0])
    assert nng.sparse.departures(table, by="effect")["round"].tolist() == [2.0]
    assert nng.sparse.departures(table, by="effect", threshold=0.01)["round"].tolist() == [1.0]
    with pytest.raises(ArgumentError, match="by: got 'p'"):
        nng.sparse.departures(table, by="p")


@pytest.mark.parametrize(
    ("accuracy", "expected"),
    [([0.9, 0.8, 0.8], 1), ([0.9, 0.8, 0.9], None), ([0.9, 0.9, 0.8], None), ([0.9, 0.895, 0.8, 0.8], 2)],
)
def test_a_score_decays_at_the_first_of_two_rounds_in_a_row_below(accuracy, expected):
    found = nng.sparse.decay_round(run([0.0] * len(accuracy), accuracy))
    assert found == expected or (expected is None and math.isnan(found))


def test_decay_needs_the_whole_network_and_the_score():
    table = run([0.0] * 3, [0.9, 0.8, 0.7])
    with pytest.raises(ArgumentError, match="no round 0"):
        nng.sparse.decay_round(table[1:])
    with pytest.raises(ArgumentError, match="no column 'auc'"):
        nng.sparse.decay_round(table, score="auc")


def test_seeds_are_counted_by_what_comes_first_and_tested_by_the_sign_test():
    scipy_stats = pytest.importorskip("scipy.stats")
    falls, early, late = [0.9, 0.9, 0.8, 0.8, 0.8], [0, 5, 5, 5, 5], [0, 0, 0, 5, 5]
    runs = [run(early, falls)] * 6 + [run(late, falls)] + [run([0, 0, 5, 5, 5], falls)] + [run(early, NEVER)]
    runs += [run([0.0] * 5, falls), run([0.0] * 5, NEVER)]
    (found,) = nng.sparse.precedence(runs).to_dict("records")
    assert [found[name] for name in ("n", "first", "tie", "later", "neither")] == [11, 7, 1, 2, 1]
    assert found["p"] == pytest.approx(scipy_stats.binomtest(7, 9, alternative="greater").pvalue)
    assert (found["departure"], found["decay"]) == (1.0, 2.0)


def test_p_values_are_corrected_by_holm_over_the_measures():
    falls = [0.9, 0.9, 0.9, 0.8, 0.8]
    tables = []
    for seed in range(6):
        flags = {"a": True, "b": seed < 5, "c": seed < 2}
        tables.append(
            pd.concat([run([0, 5, 5, 5, 5] if flag else [0] * 5, falls, measure=name) for name, flag in flags.items()])
        )
    found = nng.sparse.precedence(tables).set_index("measure")
    p = {"a": 1 / 64, "b": 7 / 64, "c": 57 / 64}
    assert found["p"].to_dict() == pytest.approx(p)
    assert found["p_holm"].to_dict() == pytest.approx({"a": 3 / 64, "b": 14 / 64, "c": 57 / 64})
    with pytest.raises(ArgumentError, match="got no run"):
        nng.sparse.precedence([])
