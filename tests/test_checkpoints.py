"""Training dynamics: maps at checkpoints, scores beside them, what is kept, and what is refused."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import linregress, rankdata, spearmanr
from torch import nn

import nngraph as nng
from nngraph.checkpoints import Dynamics, Recorder, training_dynamics
from nngraph.errors import ArgumentError, FormatError, StudyError, UnsupportedLayerError

X = np.random.default_rng(0).standard_normal((60, 5)).astype("float32")
LABELS = np.arange(60) % 3


def network(seed):
    return nng.mlp((5, 8, 3), rng=seed).eval()


@pytest.fixture(scope="module")
def models():
    return {step: network(step) for step in (0, 10, 25, 70)}


@pytest.fixture(scope="module")
def found(models):
    return training_dynamics(models, X, measure="cka", labels=LABELS, n=40)


def test_each_checkpoint_has_the_map_of_the_same_samples(models, found):
    assert list(found.maps) == [0, 10, 25, 70]
    for step, model in models.items():
        reps = nng.similarity.representations(model, X, n=None)
        assert list(found.maps[step].index) == list(reps)
    same = training_dynamics({0: models[0], 1: models[0]}, X, measure="cka", n=40)
    np.testing.assert_array_equal(same.maps[0], same.maps[1])
    assert not np.array_equal(same.maps[0], training_dynamics({0: models[0]}, X, measure="cka", n=40, rng=1).maps[0])


def test_the_mean_distance_is_over_pairs_of_different_taps_and_boundaries_are_neighbours(found):
    D = found.maps[25].to_numpy()
    pairs = [D[i, j] for i in range(len(D)) for j in range(len(D)) if i != j]
    assert found.table.loc[2, "mean_distance"] == pytest.approx(np.mean(pairs), rel=1e-12)
    at = found.boundaries[found.boundaries["step"] == 25]
    assert list(at["previous"]) == ["0", "1"]
    assert list(at["tap"]) == ["1", "2"]
    np.testing.assert_array_equal(at["distance"], np.diag(D, 1))
    assert list(found.table.columns) == ["step", "mean_distance", "loss", "accuracy"]
    assert list(found.boundaries.columns) == ["step", "previous", "tap", "distance"]


def test_loss_and_accuracy_of_labels_are_those_of_torch_on_all_inputs(models, found):
    for row in found.table.itertuples():
        with torch.no_grad():
            outputs = models[row.step](torch.from_numpy(X))
        loss = nn.functional.cross_entropy(outputs, torch.from_numpy(LABELS)).item()
        assert row.loss == pytest.approx(loss, rel=1e-5)
        assert row.accuracy == (outputs.argmax(1).numpy() == LABELS).mean()


def test_models_states_files_and_the_callback_give_the_same(models, found, tmp_path):
    files = {step: tmp_path / f"{step}.pt" for step in models}
    for step, model in models.items():
        torch.save(model.state_dict(), files[step])
    states = {step: model.state_dict() for step, model in models.items()}
    record = Recorder(X, measure="cka", labels=LABELS, n=40)
    for step, model in models.items():
        record(step, model)
    vessel = network(99)
    before = copy.deepcopy(vessel.state_dict())
    for other in (
        training_dynamics(states, X, model=vessel, measure="cka", labels=LABELS, n=40),
        training_dynamics(files, X, model=vessel, measure="cka", labels=LABELS, n=40),
        training_dynamics(reversed(models.items()), X, measure="cka", labels=LABELS, n=40),
        record.result(),
    ):
        pd.testing.assert_frame_equal(other.table, found.table)
        pd.testing.assert_frame_equal(other.boundaries, found.boundaries)
    assert all(torch.equal(before[key], value) for key, value in vessel.state_dict().items())


def test_an_iterator_of_checkpoints_is_taken_one_at_a_time():
    held = []

    def checkpoints():
        for step in range(3):
            assert len(held) == step  # the map before is done
            yield step, network(step)

    training_dynamics(
        checkpoints(), X, measure="cka", n=20, scores=lambda model: held.append(model) or {"loss": len(held)}
    )
    assert len(held) == 3


def test_the_callback_reads_a_model_in_training_and_leaves_it_so():
    model = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3))
    model.train()
    model[1].eval()
    statistics = model[1].running_mean.clone()
    record = Recorder(X, measure="cka", n=20)
    record(3, model, loss=0.5)
    record(4, model, loss=0.25)
    assert [module.training for module in model] == [True, False, True, True]
    assert torch.equal(model[1].running_mean, statistics)
    np.testing.assert_array_equal(record.result().maps[3], record.result().maps[4])
    assert list(record.result().table["loss"]) == [0.5, 0.25]


def test_scores_may_be_a_function_or_given_by_step(models):
    by_step = training_dynamics(models, X, measure="cka", n=20, scores={step: {"f1": step / 100} for step in models})
    function = training_dynamics(
        models, X, measure="cka", n=20, scores=lambda model: {"f1": float(model[0].weight.sum().item())}
    )
    assert list(by_step.table["f1"]) == [0, 0.1, 0.25, 0.7]
    assert list(function.table["f1"]) == [float(model[0].weight.sum().item()) for model in models.values()]


def test_taps_may_be_a_function_from_a_model_to_representations(models):
    found = training_dynamics(
        models, X, measure="euclidean", taps=lambda m: {"x": X, "shifted": X + float(m[0].bias[0].item())}
    )
    expected = [abs(float(m[0].bias[0].item())) * np.sqrt(5) for m in models.values()]
    np.testing.assert_allclose(found.table["mean_distance"], expected, rtol=1e-5)


# ---------------------------------------------------------------- correlations


def dynamics(d, v):
    table = pd.DataFrame({"step": np.arange(len(d)) * 10, "mean_distance": d, "loss": v})
    return Dynamics(table, pd.DataFrame(), {}).correlations().set_index("control")["rho"]


@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=6, max_size=12, unique_by=lambda pair: pair[0]))
def test_controls_are_the_rank_correlations_of_residuals_and_of_differences(pairs):
    d, v = np.array(pairs).T
    if min(np.ptp(v), np.ptp(np.diff(d)), np.ptp(np.diff(v))) == 0:
        return
    rho = dynamics(d, v)
    t = np.arange(len(d))
    assert rho["none"] == pytest.approx(spearmanr(d, v).statistic, abs=1e-9)
    assert rho["differences"] == pytest.approx(spearmanr(np.diff(d), np.diff(v)).statistic, abs=1e-9)
    residuals = []
    for ranks in (rankdata(d), rankdata(v)):
        line = linregress(t, ranks)
        residuals.append(ranks - line.intercept - line.slope * t)
    if min(np.abs(part).max() for part in residuals) > 1e-6:
        assert rho["step"] == pytest.approx(np.corrcoef(*residuals)[0, 1], abs=1e-6)


def test_a_common_trend_alone_correlates_perfectly_and_vanishes_under_the_controls():
    t = np.arange(40)
    noise = np.random.default_rng(2).standard_normal((2, 40))
    rho = dynamics(t + 1.5 * noise[0], -t + 1.5 * noise[1])
    assert rho["none"] < -0.95
    assert abs(rho["step"]) < 0.35
    assert abs(rho["differences"]) < 0.35


def test_correlations_that_are_not_defined_are_nan():
    assert dynamics([1.0, 2, 3], [3.0, 2, 1]).isna().all()
    assert dynamics([1.0, 2, 3, 4, 5], [1.0] * 5).isna().all()
    assert np.isnan(dynamics([1.0, 2, 4, 5, 9], [2.0, 1, 3, 0, 5])["step"])  # d moves with the step alone


# ---------------------------------------------------------------------- folder


def test_a_run_that_was_stopped_goes_on_where_it_was(models, tmp_path):
    seen = []

    def scores(model):
        if len(seen) == 2:
            raise KeyboardInterrupt
        seen.append(model)
        return {"loss": float(model[0].weight[0, 0].item())}

    with pytest.raises(KeyboardInterrupt):
        training_dynamics(models, X, measure="cka", scores=scores, folder=tmp_path / "maps")
    assert len(list((tmp_path / "maps").iterdir())) == 3
    kept = [path.stat().st_mtime_ns for path in sorted((tmp_path / "maps").iterdir())]
    seen.append(None)  # the fourth map is computed now, none again
    resumed = training_dynamics(models, X, measure="cka", scores=scores, folder=tmp_path / "maps")
    assert len(seen) == 3 + len(models)  # scores are no part of what is kept
    assert [path.stat().st_mtime_ns for path in sorted((tmp_path / "maps").iterdir())][:3] == kept
    whole = training_dynamics(models, X, measure="cka")
    for step in models:
        pd.testing.assert_frame_equal(resumed.maps[step], whole.maps[step])
    assert list(resumed.table["loss"]) == [float(model[0].weight[0, 0].item()) for model in models.values()]


def other(models, **changes):
    arguments = {"measure": "cka", "n": 40, "rng": 0, **changes}
    inputs = arguments.pop("inputs", X)
    return lambda folder: training_dynamics(models, inputs, folder=folder, **arguments)


@pytest.mark.parametrize(
    "changes", [{"measure": "rsa"}, {"n": 30}, {"rng": 1}, {"inputs": X + 1}, {"taps": ["0", "2"]}]
)
def test_a_folder_of_other_settings_is_refused(models, tmp_path, changes):
    other(models)(tmp_path)
    with pytest.raises(StudyError, match="other inputs, settings or weights"):
        other(models, **changes)(tmp_path)


def test_a_folder_of_other_weights_is_refused_and_a_damaged_file_is_named(models, tmp_path):
    other(models)(tmp_path)
    with pytest.raises(StudyError, match="step-000000000"):
        other({0: models[10]})(tmp_path)
    path = tmp_path / "step-000000010.npz"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(FormatError, match="step-000000010"):
        other(models)(tmp_path)


def test_other_scores_for_the_same_folder_are_computed_and_the_maps_are_found_again(models, tmp_path):
    first, second = (
        training_dynamics(models, X, measure="cka", scores=lambda model, s=s: {"s": s}, folder=tmp_path) for s in (1, 2)
    )
    assert (set(first.table["s"]), set(second.table["s"])) == ({1.0}, {2.0})
    labelled = training_dynamics(models, X, measure="cka", labels=LABELS, folder=tmp_path)
    assert list(labelled.table.columns) == ["step", "mean_distance", "loss", "accuracy"]
    np.testing.assert_array_equal(labelled.table["mean_distance"], first.table["mean_distance"])


def test_a_function_of_taps_that_gives_other_representations_is_found_out(models, tmp_path):
    def follow(power):
        return other(models, taps=lambda model: {"in": X, "out": X**power})

    again = [follow(2)(tmp_path).table for _ in range(2)]
    pd.testing.assert_frame_equal(*again)
    with pytest.raises(StudyError, match="other inputs, settings or weights"):
        follow(3)(tmp_path)


def test_a_function_as_an_option_and_a_file_as_a_folder_are_refused(models, tmp_path):
    with pytest.raises(ArgumentError, match="got a function as kernel and a folder"):
        other(models, kernel=lambda D: D)(tmp_path)
    file = tmp_path / "file"
    file.write_text("kept")
    with pytest.raises(ArgumentError, match="is a file; expected a folder"):
        other(models)(file)
    assert file.read_text() == "kept"


# -------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("checkpoints", "arguments", "message"),
    [
        ({}, {}, "no checkpoint"),
        (7, {}, "mapping from steps"),
        ([3], {}, "pairs of a step"),
        ({-1: network(0)}, {}, "step: got -1"),
        ({True: network(0)}, {}, "step: got True"),
        ([(1, network(0)), (1, network(1))], {}, "step 1 twice"),
        ({0: network(0).state_dict()}, {}, "pass model="),
        ({0: nng.mlp((5, 4, 3), rng=0).state_dict()}, {"model": network(0)}, "does not fit the model"),
        ({0: 3.5}, {"model": network(0)}, "got float at step 0"),
        ({0: network(0), 1: nng.mlp((5, 8, 8, 3), rng=0)}, {}, "other taps at step 1"),
        ({0: network(0)}, {"labels": LABELS, "scores": {0: {"loss": 1}}}, "both labels and scores"),
        ({0: network(0)}, {"labels": LABELS[:9]}, "9 labels"),
        ({0: network(0)}, {"labels": LABELS + 1}, "labels up to 3"),
        ({0: network(0), 5: network(1)}, {"scores": {0: {"loss": 1}}}, "no step 5"),
        ({0: network(0)}, {"labels": LABELS - 1}, "from -1; expected one integer of at least 0"),
        ({0: network(0)}, {"labels": LABELS * 0.5}, "labels: got float64"),
        ({0: network(0)}, {"scores": lambda model: {"step": 7}}, "got one called 'step'"),
        ({0: network(0)}, {"scores": lambda model: {"mean_distance": 7}}, "got one called 'mean_distance'"),
    ],
)
def test_bad_checkpoints_and_scores_get_a_sentence(checkpoints, arguments, message):
    with pytest.raises(ArgumentError, match=message) as caught:
        training_dynamics(checkpoints, X, measure="cka", **arguments)
    assert "\n\n" not in str(caught.value)


# ------------------------------------------------------------------------ twins


def moments(module):
    return [round(float(p.detach().std().item()), 1) for p in module.parameters() if p.numel() > 500]


@pytest.mark.parametrize(
    "model", [nng.transformer(20, 4, width=32, depth=1, rng=0), nng.resnet9(1, 10, width=8, rng=0)]
)
def test_the_twin_of_our_models_starts_from_their_own_law_and_the_seed(model):
    trained = copy.deepcopy(model)
    with torch.no_grad():
        for value in trained.state_dict().values():
            value.mul_(3) if value.is_floating_point() else value.add_(5)
    kept = copy.deepcopy(trained.state_dict())
    state = torch.random.get_rng_state()
    twin, again, third = (nng.untrained_twin(trained, rng=rng) for rng in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(kept[key], value) for key, value in trained.state_dict().items())
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in twin.state_dict().items())
    assert not torch.equal(next(twin.parameters()), next(third.parameters()))
    assert not torch.equal(next(twin.parameters()), next(model.parameters()))
    assert moments(twin) == moments(model)
    fresh = model.state_dict()
    for key, value in twin.state_dict().items():
        if "running" in key or "num_batches" in key:
            assert torch.equal(value, fresh[key])
    assert not any(module.training for module in twin.modules())


def test_the_twin_has_the_statistics_of_the_inputs_where_they_are_given():
    x = 3 + 2 * np.random.default_rng(0).standard_normal((1200, 1, 8, 8)).astype("float32")
    model = nng.resnet9(1, 3, width=2, rng=0)
    plain, twin = nng.untrained_twin(model, rng=1), nng.untrained_twin(model, x, rng=1)
    assert all(torch.equal(p, q) for p, q in zip(plain.parameters(), twin.parameters(), strict=True))
    with torch.no_grad():
        first = twin.units[0].conv(torch.from_numpy(x[:1000]))
    batches = first.split(250)
    expected = torch.stack([batch.mean(dim=(0, 2, 3)) for batch in batches]).mean(0)
    torch.testing.assert_close(twin.units[0].norm.running_mean, expected, rtol=1e-4, atol=1e-4)
    normal = nng.similarity.representations(twin, x, ["0.norm", "7.norm"], n=None)
    assert abs(float(normal["0.norm"].mean())) < 0.02
    assert abs(float(normal["0.norm"].std()) - 1) < 0.02
    assert twin.units[0].norm.momentum == model.units[0].norm.momentum
    assert not any(module.training for module in twin.modules())


def test_a_module_that_cannot_be_reset_is_named():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(3))

    with pytest.raises(UnsupportedLayerError, match="1: a Odd has parameters"):
        nng.untrained_twin(nn.Sequential(nn.Linear(3, 3), Odd()))


def test_the_twin_of_a_model_of_transformers_starts_from_its_configuration():
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        vocab_size=50, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64
    )
    model = transformers.BertModel(config).eval()
    twin = nng.untrained_twin(model, rng=0)
    assert float(twin.embeddings.word_embeddings.weight.std().item()) == pytest.approx(
        config.initializer_range, rel=0.1
    )
    assert not twin.training


# ---------------------------------------------------------------------- figure


def test_the_figure_has_a_panel_for_the_distance_and_for_each_score(found):
    import matplotlib.pyplot as plt

    fig = nng.plot.dynamics(found)
    upper, *below = fig.axes
    lines = [line.get_ydata() for line in upper.lines]
    np.testing.assert_array_equal(lines[-1], found.table["mean_distance"])
    for line, tap in zip(lines, ("1", "2"), strict=False):
        np.testing.assert_array_equal(line, found.boundaries.loc[found.boundaries["tap"] == tap, "distance"])
    assert [ax.get_ylabel() for ax in below] == ["loss", "accuracy"]
    for ax in below:
        np.testing.assert_array_equal(ax.lines[0].get_ydata(), found.table[ax.get_ylabel()])
    plt.close(fig)
    with pytest.raises(ArgumentError, match="no checkpoint"):
        nng.plot.dynamics(Dynamics(pd.DataFrame(), pd.DataFrame(), {}))
