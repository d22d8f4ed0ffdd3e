"""nngraph capacitance: what is printed, what is written, and what is refused."""

import subprocess
import sys

import igraph
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import nngraph as nng
from nngraph.cli import app

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 6))
Y = np.arange(60) % 3

CODE = """
import igraph
import numpy as np
import torch
import nngraph as nng

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 6))
Y = np.arange(60) % 3

def alone():
    return nng.mlp((6, 12, 10, 8, 3), rng=0).double()

def net():
    return alone(), (X, Y)

def three():
    return nng.mlp((6, 12, 8, 3), rng=0).double(), (X, Y)

def two():
    return nng.mlp((6, 12, 3), rng=0).double(), (X, Y)

def targets():
    return alone(), (X, np.eye(3)[Y])

def tensors():
    return alone(), (torch.from_numpy(X), torch.from_numpy(Y))

def two_classes():
    return alone(), (X, Y % 2)

def blank():
    model = alone()
    torch.nn.init.zeros_(model[6].bias)
    return model, (X, np.eye(3)[Y] * 0 + model(torch.from_numpy(X)).detach().numpy())

def on_digits():
    return nng.mlp((784, 8, 8, 8, 10), rng=0).double()

def convolution():
    return torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.Flatten(), torch.nn.Linear(8, 3)), (X, Y)

def doubled():
    return lambda x: 2 * x

def linear():
    torch.manual_seed(0)
    return torch.nn.Linear(6, 6).double()

def narrow():
    return torch.nn.Linear(5, 6).double()

def fails():
    def function(x):
        raise ValueError("no such input")
    return function

def nothing():
    return None

def graph():
    return nng.from_matrices([np.array([[1.0, 2.0]]), np.array([[3.0], [0.5]])])

def signed():
    g = igraph.Graph([(0, 1), (1, 2), (2, 0), (1, 0)], directed=True)
    g.es["weight"] = [1.0, -2.0, 3.0, 1.5]
    return g

def uneven():
    return alone(), (X, Y[:50])

def triple():
    return alone(), X, Y

def number():
    return 7

def broken():
    raise RuntimeError("boom")

def trained(layers=(6, 9, 9, 9, 3)):
    import copy
    model, kept = nng.mlp(layers, rng=0).double(), {}
    for epoch in range(7):
        if epoch:
            nng.train(model, X, Y, epochs=1, lr=0.02, batch_size=20, validation=None, select="last", rng=epoch)
        kept[epoch] = copy.deepcopy(model)
    return kept

def epochs():
    return trained(), (X, Y)

def epochs_alone():
    return trained()

def epochs_tested():
    return {epoch: model.train() for epoch, model in reversed(trained().items())}, (X, Y), (X[::-1] ** 3, Y)

def epochs_three():
    return trained((6, 9, 9, 3)), (X, Y)

def epochs_diverged():
    kept = trained()
    torch.nn.init.constant_(kept[2][0].weight, float("nan"))
    torch.nn.init.constant_(kept[3][6].bias, float("inf"))
    return kept, (X, Y)

def epochs_short():
    kept = trained()
    return {epoch: kept[epoch] for epoch in (0, 1)}, (X, Y)

def epochs_by_name():
    return {"first": alone()}, (X, Y)

def epochs_of_targets():
    return trained(), (X, np.eye(3)[Y])

def epochs_of_one():
    return trained(), (X, Y), (X[:1], Y[:1])

def epochs_of_more_classes():
    return trained(), (X, Y), (X, Y + 1)

def of_texts():
    return alone(), (X, np.array(list("abc"))[Y])

def of_lists():
    return alone(), (X.tolist(), Y.tolist())

def labels_in_lists():
    return alone(), (X, Y.tolist())

def of_other_width():
    return alone(), (X[:, :4], Y)

def words():
    return alone(), ([f"word {i}" for i in range(60)], Y)

def reader():
    return lambda given: torch.stack([torch.from_numpy(X[int(word.split()[1])]) for word in given])

def boxed():
    return lambda x: [x]

def epochs_of_words():
    return trained(), words()[1], words()[1]

def epochs_that_end_diverged():
    kept = trained()
    torch.nn.init.constant_(kept[6][0].weight, float("nan"))
    return kept, (X, Y), (X, Y)

def epochs_of_bad_tests():
    return trained(), (X, Y), (np.where(X > 2, np.nan, X), Y)

def epochs_of_three_axes():
    return {0: torch.nn.Sequential(alone(), torch.nn.Unflatten(1, (3, 1)))}, (X, Y)

def unconnected():
    return igraph.Graph(4, directed=True)

def in_training():
    return torch.nn.Sequential(alone(), torch.nn.Dropout(0.5)).train(), (X, Y)
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder of the user's own, with a module of models and graphs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("mine_capacitance", None)
    (tmp_path / "mine_capacitance.py").write_text(CODE)
    yield tmp_path
    sys.modules.pop("mine_capacitance", None)


@pytest.fixture
def undrawn(monkeypatch):
    """No figures, which take more time than the rest, where a test looks at none."""
    for name in ("_figure_of_run", "_figure_of_ranking"):
        monkeypatch.setattr(f"nngraph.cli._capacitance_runs.{name}", lambda *_: None)


def run(function="", *arguments):
    if str(function).startswith("-"):
        function, arguments = "", (function, *arguments)
    source = [f"mine_capacitance:{function}"] if function and "." not in function else [function] if function else []
    return CliRunner().invoke(app, ["capacitance", *source, *map(str, arguments)])


def done(*arguments):
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def one_sentence(result, code):
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    return result.stderr


def model():
    return nng.mlp((6, 12, 10, 8, 3), rng=0).double()


# -------------------------------------------------------------------- models


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], {}),
        (["--loss", "squared"], {"loss": "squared"}),
        (["--variant", "hessian"], {"variant": "hessian"}),
        (["--variant", "hessian_support", "--loss", "squared"], {"variant": "hessian_support", "loss": "squared"}),
        (["--absolute"], {"absolute": True}),
    ],
)
def test_the_numbers_of_a_model_are_those_of_the_library(here, options, expected):
    b = nng.dynamics.beta_eff(model(), X, Y, **expected)
    text = done("net", *options, "--out", "o")
    first, second, third, *rest = text.splitlines()
    assert first.startswith(f"beta_eff of mine_capacitance-net: {b.value:.6g} (60 samples, ")
    assert expected.get("loss", "cross_entropy") in first
    assert f"{expected.get('variant', 'frozen')}{', absolute' if '--absolute' in options else ''})" in first
    assert second == f"  numerator {b.numerator:.6g}, denominator {b.denominator:.6g}"
    assert f"{6 * 12 + 12 * 10 + 10 * 8 + 8 * 3} nodes" in third
    assert f"{6 * 12 * 10 + 12 * 10 * 8 + 10 * 8 * 3:,} edges" in third
    assert len(rest) == 5  # a head and a line for each of four blocks, no warning
    written = pd.read_csv(here / "o" / "blocks.csv", dtype={"block": str})
    pd.testing.assert_frame_equal(written, b.blocks, rtol=1e-12)
    nodes = pd.read_csv(here / "o" / "nodes.csv", dtype={"part": str}).set_index(["part", "index"])
    pd.testing.assert_frame_equal(nodes, b.nodes, rtol=1e-12)
    assert (here / "o" / "summary.txt").read_text() == text
    assert sorted(path.name for path in (here / "o").iterdir()) == ["blocks.csv", "nodes.csv", "summary.txt"]


def test_nothing_is_written_without_a_folder(here):
    before = {path.name for path in here.iterdir()}
    done("net")
    assert {path.name for path in here.iterdir()} - before <= {"__pycache__"}


def test_tensors_arrays_and_one_hot_targets_are_the_same_samples(here):
    squared = done("net", "--loss", "squared").replace("-net", "")
    assert done("targets", "--loss", "squared").replace("-targets", "") == squared
    assert done("tensors", "--loss", "squared").replace("-tensors", "") == squared


def test_samples_are_drawn_by_the_seed_and_keep_their_answers(here):
    first, same, other = (done("net", "-n", 20, "--rng", seed) for seed in (1, 1, 2))
    assert first == same != other
    assert "(20 samples" in first
    rows = [np.flatnonzero((x == X).all(1))[0] for x in _drawn(1)]
    b = nng.dynamics.beta_eff(model(), X[rows], Y[rows])
    assert f": {b.value:.6g} (20" in first


def _drawn(seed):
    from nngraph.cli._samples import rows_of

    x = rows_of(X, 20, seed)
    assert len(np.unique(x, axis=0)) == 20
    return x


@pytest.mark.parametrize(
    ("function", "words"), [("two", "two weight layers"), ("three", "three weight layers"), ("two_classes", "1 of 3")]
)
def test_what_a_capacitance_does_not_say_is_one_sentence_of_the_page(here, function, words):
    text = done(function, "--out", "o")
    warned = [line for line in text.splitlines() if line.startswith("warning: ")]
    assert len(warned) == 1
    assert words in warned[0]
    assert warned[0] in (here / "o" / "summary.txt").read_text()
    assert text.startswith(f"beta_eff of mine_capacitance-{function}: 0 (") == (function != "two_classes")


def test_answers_may_be_a_list_and_samples_a_list_of_texts_that_a_backbone_reads(here):
    expected = done("net").replace("-net", "")
    assert done("labels_in_lists").replace("-labels_in_lists", "") == expected
    assert done("words", "--backbone", "mine_capacitance:reader").replace("-words", "") == expected
    few = done("net", "-n", 20).replace("-net", "")
    assert done("words", "--backbone", "mine_capacitance:reader", "-n", 20).replace("-words", "") == few


def test_a_denominator_of_zero_is_nan_and_said(here):
    text = done("blank", "--loss", "squared")
    assert text.startswith("beta_eff of mine_capacitance-blank: nan (")
    assert "warning: beta_eff is nan" in text


def test_samples_come_from_a_file_or_a_data_set(here):
    np.savez(here / "data.npz", x=X, y=Y)
    assert done("alone", "--inputs", "data.npz").replace("-alone", "-net") == done("net")
    data = nng.datasets.load("digits")
    b = nng.dynamics.beta_eff(nng.mlp((784, 8, 8, 8, 10), rng=0).double(), data.images, data.labels)
    assert done("on_digits", "--inputs", "digits", "-n", 5000).startswith(
        f"beta_eff of mine_capacitance-on_digits: {b.value:.6g} (1,797 samples"
    )


def test_a_backbone_is_a_module_or_a_function(here):
    b = nng.dynamics.beta_eff(model(), 2 * X, Y)
    assert f": {b.value:.6g} (60" in done("net", "--backbone", "mine_capacitance:doubled")
    import mine_capacitance

    b = nng.dynamics.beta_eff(model(), X, Y, backbone=mine_capacitance.linear())
    assert f": {b.value:.6g} (60" in done("net", "--backbone", "mine_capacitance:linear")


# -------------------------------------------------------------------- graphs


def test_a_graph_is_reduced_as_the_library_reduces_it(here):
    r = nng.dynamics.reduction(signed())
    lines = done("signed", "--out", "o").splitlines()
    assert lines[0] == f"beta_eff of mine_capacitance-signed: {r.beta_eff:.6g} (3 nodes, 4 directed edges)"
    assert lines[1].endswith(f"heterogeneity H = {r.heterogeneity:.6g}")
    nodes = pd.read_csv(here / "o" / "nodes.csv")
    np.testing.assert_allclose(nodes["s_in"], [4.5, 1.0, -2.0])
    np.testing.assert_allclose(nodes["s_out"], [1.0, -0.5, 3.0])


def signed():
    g = igraph.Graph([(0, 1), (1, 2), (2, 0), (1, 0)], directed=True)
    g.es["weight"] = [1.0, -2.0, 3.0, 1.5]
    return g


def test_what_negative_weights_do_is_said_with_the_value_for_magnitudes(here):
    # A of magnitudes: s_in = (4.5, 1, 2), s_out = (1, 3.5, 3), their product over the sum 7.5
    (line,) = (line for line in done("signed").splitlines() if line.startswith("warning"))
    assert line.startswith("warning: 25.0% of the weights are negative")
    assert f"{(1 + -2 + 3 + 1.5) / 7.5:+.2%}" in line
    assert line.endswith(f"it is {(4.5 * 1 + 1 * 3.5 + 2 * 3) / 7.5:.6g}.")
    assert "warning" not in done("graph")


@pytest.mark.parametrize("kind", ["graphml", "nngraph"])
def test_files_of_graphs_are_read(here, kind):
    G = nng.from_matrices([np.array([[1.0, 2.0]]), np.array([[3.0], [0.5]])])
    (nng.save if kind == "nngraph" else nng.write_graphml)(G, here / f"net.{kind}")
    text = done(f"net.{kind}")
    # only the hidden node has both: 3 enters it, 3.5 leaves it; all weights add up to 6.5
    assert text.startswith(f"beta_eff of net: {3 * 3.5 / 6.5:.6g} (5 nodes, 4 directed edges)")
    assert "warning" not in text


def test_any_weighted_graph_will_do_and_states_have_an_effective_value(here):
    star = igraph.Graph.Star(5, mode="undirected")
    star.vs["abundance"] = [4.0, 1.0, 1.0, 1.0, 1.0]
    star.vs["kind"] = list("abcde")
    star.write_graphml(str(here / "star.graphml"))
    text = done("star.graphml", "--state", "abundance", "--out", "o")
    assert text.startswith("beta_eff of star: 2.5 (5 nodes, 4 undirected edges)")
    assert "x_eff of abundance: 2.5; plain mean 1.6" in text
    assert "each counts 1" in text
    assert list(pd.read_csv(here / "o" / "nodes.csv")) == ["abundance", "kind", "s_in", "s_out"]
    assert "have abundance, kind." in one_sentence(run("star.graphml", "--state", "mass"), 2)
    assert "no finite number" in one_sentence(run("star.graphml", "--state", "kind"), 2)


def test_a_network_of_two_parts_is_zero_and_says_why(here):
    nng.save(nng.from_matrices([np.array([[1.0, 2.0]])]), here / "one.nngraph")
    text = done("one.nngraph")
    assert text.startswith("beta_eff of one: 0 (")
    assert "warning: no node has strength both in and out" in text


def test_a_graph_without_edges_is_said_to_have_none(here):
    text = done("unconnected")
    assert text.startswith("beta_eff of mine_capacitance-unconnected: nan (4 nodes, 0 directed edges)")
    (warned,) = (line for line in text.splitlines() if line.startswith("warning"))
    assert "has no edges" in warned


# -------------------------------------------------------------------- epochs


def record(function, **options):
    """What the library makes of the epochs of the user's own, and their accuracies on the samples."""
    import mine_capacitance
    import torch

    models, (x, y) = getattr(mine_capacitance, function)()[:2]
    trajectory = nng.dynamics.Trajectory(x, y, **options)
    with torch.no_grad():
        for epoch, one in models.items():
            outputs = one(torch.from_numpy(x)).numpy()
            accuracy, loss = nng.metrics.accuracy(outputs, y), nng.metrics.cross_entropy(outputs, y)
            trajectory.record(epoch, one, accuracy=accuracy, loss=loss)
    return trajectory


def predictions(folder):
    return pd.read_csv(folder / "prediction.csv").set_index("predictor")


def test_a_prediction_is_that_of_the_library_and_stands_beside_what_costs_nothing(here):
    text = done("epochs", "--start", 1, "--stop", 4)
    folder = here / "results" / "capacitance-mine_capacitance-epochs"
    trajectory = record("epochs")
    pd.testing.assert_frame_equal(pd.read_csv(folder / "trajectory.csv"), trajectory.table, rtol=1e-9)
    found = nng.dynamics.predict_accuracy(trajectory, start=1, stop=4)
    table = predictions(folder)
    np.testing.assert_allclose(table.loc["beta_eff = 0", ["value", "low", "high"]], [found.value, *found.interval()])
    final = trajectory.table["accuracy"].iloc[-1]
    np.testing.assert_allclose(table["final"], final)
    for name in ("last_accuracy", "best_accuracy", "mean_accuracy", "last_loss", "abs_beta_eff"):
        predictor = "|beta_eff|" if name == "abs_beta_eff" else name.replace("_", " ")
        assert table.loc[predictor, "value"] == pytest.approx(found.baselines[name])
        assert f"{predictor} {found.baselines[name]:.4f}" in " ".join(text.split())
    np.testing.assert_allclose(table["error"].iloc[:4], table["value"].iloc[:4] - final)
    assert list(table.index[table["error"].isna()]) == ["last loss", "|beta_eff|"]
    assert f"beta_eff = 0 {found.value:.4f}" in text
    assert "accuracy told from epochs 1 to 4, 4 of them" in text
    assert sorted(path.name for path in folder.iterdir()) == [
        "capacitance.png", "capacitance.svg", "prediction.csv", "summary.txt", "trajectory.csv",
    ]  # fmt: skip
    assert (folder / "summary.txt").read_text() == text
    assert b"<svg" in (folder / "capacitance.svg").read_bytes()


def test_without_later_epochs_there_is_nothing_to_compare_with_and_that_is_said(here, undrawn):
    text = done("epochs", "-n", 40, "--out", "o")
    assert "beta_eff on 40 samples, accuracies of all 60" in text
    assert "note: no epoch after 6 to compare with" in text
    assert list(predictions(here / "o").columns) == ["value", "low", "high"]


def test_the_final_accuracy_is_that_of_test_samples_that_no_epoch_has_seen(here, undrawn):
    import mine_capacitance
    import torch

    text = done("epochs_tested", "--stop", 4, "--out", "o")
    assert "accuracies of half of 60 test samples, the final one of the other half" in text
    assert "note: without test samples" not in text
    assert "has diverged" not in text
    models, _, (x, y) = mine_capacitance.epochs_tested()
    with torch.no_grad():
        whole = nng.metrics.accuracy(models[6].eval()(torch.from_numpy(x.copy())).numpy(), y)
    table = pd.read_csv(here / "o" / "trajectory.csv")
    assert list(table["epoch"]) == list(range(7))
    known, unknown = table["accuracy"].iloc[-1], predictions(here / "o")["final"].iloc[0]
    assert (known + unknown) / 2 == pytest.approx(whole)
    from nngraph.cli._capacitance_runs import _halves
    from nngraph.cli._capacitance_sources import Run

    ids = np.arange(61)[:, None]
    halves = [x[:, 0] for x, _ in _halves(Run("r", {}, (X, Y), (ids, np.zeros(61, dtype=int)), None), 3)]
    assert sorted(np.concatenate(halves)) == list(range(61))
    assert len(halves[0]) - len(halves[1]) == 1


def test_an_epoch_that_diverged_is_a_row_and_the_others_are_used(here):
    text = done("epochs_diverged", "--out", "o")
    table = pd.read_csv(here / "o" / "trajectory.csv").set_index("epoch")
    assert list(table.index[table["status"] == "diverged"]) == [2, 3]
    assert table.loc[[2, 3], ["beta_eff", "accuracy", "loss"]].isna().all(axis=None)
    assert "told from epochs 0 to 6, 5 of them with beta_eff" in text


def test_epochs_without_test_samples_say_that_all_numbers_are_of_the_same(here, undrawn):
    assert "note: without test samples beta_eff, the accuracies" in done("epochs", "--stop", 4, "--out", "o")


def test_a_last_epoch_that_diverged_is_said_where_the_final_accuracy_would_be(here, undrawn):
    text = done("epochs_that_end_diverged", "--stop", 4, "--out", "o")
    assert "warning: the network of the last epoch, 6, has diverged" in text
    assert list(predictions(here / "o").columns) == ["value", "low", "high"]


def test_texts_over_epochs_are_read_by_the_backbone(here, undrawn):
    done("epochs_of_words", "--backbone", "mine_capacitance:reader", "--stop", 4, "--out", "o")
    of_texts, of_numbers = pd.read_csv(here / "o" / "trajectory.csv"), record("epochs").table
    for column in ("epoch", "beta_eff"):
        assert list(of_texts[column]) == pytest.approx(list(of_numbers[column]))
    final = predictions(here / "o")["final"].iloc[0]  # of one half of them, as the others are of the other
    assert (of_texts["accuracy"].iloc[-1] + final) / 2 == pytest.approx(of_numbers["accuracy"].iloc[-1])


def test_few_layers_make_the_prediction_a_mean_and_that_is_said_once(here, undrawn):
    text = done("epochs_three", "--out", "o")
    warned = [line for line in text.splitlines() if line.startswith("warning: ")]
    assert len(warned) == 2
    assert "is the mean of their accuracies" in warned[0]
    assert "three weight layers" in warned[1]
    accuracies = pd.read_csv(here / "o" / "trajectory.csv")["accuracy"]
    assert predictions(here / "o").loc["beta_eff = 0", "value"] == pytest.approx(accuracies.mean(), rel=1e-3)


def test_too_few_epochs_are_no_prediction_and_that_is_said(here):
    text = done("epochs_short", "--out", "o")
    assert "too few epochs" in text
    assert predictions(here / "o").loc["beta_eff = 0"].isna().all()
    assert predictions(here / "o").loc["last accuracy", "value"] > 0


def test_the_squared_loss_is_half_the_squared_error_of_a_sample(here, undrawn):
    import mine_capacitance
    import torch

    done("epochs", "--loss", "squared", "--out", "o")
    last = mine_capacitance.trained()[6]
    with torch.no_grad():
        outputs = last(torch.from_numpy(X)).numpy()
    expected = 0.5 * ((outputs - np.eye(3)[Y]) ** 2).sum(1).mean()
    assert pd.read_csv(here / "o" / "trajectory.csv")["loss"].iloc[-1] == pytest.approx(expected)


def test_accuracies_over_epochs_see_through_the_backbone(here, undrawn):
    import mine_capacitance
    import torch

    np.savez(here / "data.npz", x=X, y=Y)
    done("epochs", "--backbone", "mine_capacitance:linear", "--inputs", "data.npz", "--out", "o")
    seen, last = mine_capacitance.linear(), mine_capacitance.trained()[6]
    with torch.no_grad():
        outputs = last(seen(torch.from_numpy(X))).numpy()
    table = pd.read_csv(here / "o" / "trajectory.csv")
    assert table["accuracy"].iloc[-1] == nng.metrics.accuracy(outputs, Y)
    b = nng.dynamics.beta_eff(last, X, Y, backbone=seen)
    assert table["beta_eff"].iloc[-1] == pytest.approx(b.value)


# -------------------------------------------------------------------- without a source


@pytest.fixture
def few(monkeypatch):
    """Three small networks and few epochs in the place of the study's."""
    from nngraph.reproduce.capacitance import candidates

    chosen = {name: candidates.FAMILY[name] for name in ("MLP 3x4", "MLP 3x16", "MLP 3x64", "CNN 2-4")}
    monkeypatch.setattr(candidates, "FAMILY", chosen)
    monkeypatch.setattr(candidates, "RECORDED", tuple(range(6)))
    return list(chosen)[:3]


def test_without_a_source_networks_are_trained_predicted_and_ranked(here, few):
    result = run("-n", 100, "--stop", 4)
    assert result.stderr.startswith("nngraph: training 3 networks on digits, half a minute")
    text = result.stdout
    folder = here / "results" / "capacitance-digits"
    trajectory = pd.read_csv(folder / "trajectory.csv")
    assert list(trajectory["model"].unique()) == few
    assert list(trajectory["epoch"][:6]) == list(range(6))
    models = pd.read_csv(folder / "prediction.csv", index_col="model")
    tables = dict(iter(trajectory.groupby("model")))
    expected = nng.dynamics.rank_models(tables, models["final"], start=1, stop=4, n_boot=2, rng=0)
    pd.testing.assert_frame_equal(models.loc[expected.models.index], expected.models, rtol=1e-6)
    ranking = pd.read_csv(folder / "ranking.csv")
    np.testing.assert_allclose(ranking["spearman"], expected.scores["spearman"])
    assert "3 networks on digits (699 samples for training, 200 for" in text
    assert "beta_eff on 100 of the first" in text
    assert "accuracy at epoch 5 told from epochs 1 to 4:" in text
    for predictor, rho in zip(ranking["predictor"], ranking["spearman"], strict=True):
        assert f"{predictor} 3 {rho:.3f} [" in " ".join(text.split())
    assert text.splitlines()[-2].startswith("beta_eff = 0 ranks ")
    assert {path.name for path in folder.iterdir()} == {
        "capacitance.png", "capacitance.svg", "prediction.csv", "ranking.csv", "summary.txt", "trajectory.csv",
    }  # fmt: skip


def test_the_same_seed_trains_the_same_networks(here, undrawn, few, monkeypatch):
    monkeypatch.setattr("nngraph.reproduce.capacitance.candidates.RECORDED", tuple(range(4)))
    first, same, other = (done("--start", 0, "--stop", 2, "--rng", seed, "--out", f"o{seed}") for seed in (1, 1, 2))
    assert first == same != other


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(0.1, 0.3, "ranks better than"), (-0.3, -0.1, "ranks worse than"), (-0.1, 0.3, "ranks no better than")],
)
def test_whether_the_ranking_is_better_is_decided_by_the_interval_of_the_difference(low, high, words):
    from types import SimpleNamespace

    from nngraph.cli._capacitance_runs import _verdict

    ours = {"predictor": "beta_eff = 0", "spearman": 0.8, "mae": 0.125, "difference": (low + high) / 2}
    mean = {"predictor": "mean accuracy", "spearman": 0.7, "mae": 0.25}
    scores = pd.DataFrame([ours | {"difference_low": low, "difference_high": high}, mean])
    found = _verdict(SimpleNamespace(scores=scores, coverage=lambda: 0.5))
    assert words in found
    assert f"Spearman 0.800 against {0.8 - (low + high) / 2:.3f}" in found
    assert "has Spearman 0.700 and error 0.250; beta_eff = 0 has error 0.125" in found
    assert "hold 50% of" in found


# -------------------------------------------------------------------- bad input

BAD = {
    "no samples": (["alone"], 2, "pass --inputs"),
    "as many answers": (["uneven"], 2, "60 samples with 50 answers"),
    "three things": (["triple"], 2, "returned (Sequential, ndarray, ndarray)"),
    "another thing": (["number"], 2, "returned int"),
    "a function that fails": (["broken"], 1, "boom"),
    "no such function": (["lost"], 2, "cannot be imported"),
    "weights": (["net.safetensors"], 2, "Weights alone"),
    "no such file": (["lost.nngraph"], 1, "lost.nngraph"),
    "damaged graph": (["damaged.graphml"], 1, "damaged.graphml"),
    "a convolution": (["convolution"], 1, "backbone"),
    "in training": (["in_training"], 2, "model.eval()"),
    "unknown data set": (["alone", "--inputs", "cifar"], 2, "'digits'"),
    "one array": (["alone", "--inputs", "x.npy"], 2, "the arrays x and y"),
    "inputs of a graph": (["graph", "--inputs", "digits"], 2, "--inputs: has no effect"),
    "backbone of a file": (["g.graphml", "--backbone", "a:b"], 2, "--backbone: has no effect"),
    "variant of a graph": (["graph", "--variant", "hessian"], 2, "--variant: has no effect on a graph"),
    "state of a model": (["net", "--state", "x"], 2, "--state: has no effect on a single model"),
    "start of a model": (["net", "--start", "3"], 2, "--start: has no effect on a single model"),
    "state of epochs": (["epochs", "--state", "x"], 2, "--state: has no effect on models over epochs"),
    "loss of nothing": (["", "--loss", "squared"], 2, "--loss: has no effect on the networks on digits"),
    "inputs of nothing": (["", "--inputs", "digits"], 2, "--inputs: has no effect on the networks on digits"),
    "a span of nothing": (["", "--stop", "40"], 2, "before 40, the end of training"),
    "epochs by name": (["epochs_by_name"], 2, "the key 'first'"),
    "epochs without samples": (["epochs_alone"], 2, "returned models alone"),
    "epochs of targets": (["epochs_of_targets"], 2, "integer classes"),
    "one test sample": (["epochs_of_one"], 2, "at least 2"),
    "classes that have no output": (["epochs_of_more_classes"], 2, "expected 0 to 2"),
    "epochs that were not recorded": (["epochs", "--start", "20"], 2, "no epoch from 20"),
    "epochs the wrong way": (["epochs", "--start", "5", "--stop", "2"], 2, "stop"),
    "epochs from behind the last": (["epochs", "--start", "50"], 2, "no epoch from 50 on was recorded; the traj"),
    "test samples that are no numbers": (["epochs_of_bad_tests"], 2, "x: got numbers that are NaN"),
    "outputs of three axes": (["epochs_of_three_axes"], 2, "expected (60, classes)"),
    "a backbone that gives a list": (["epochs", "--backbone", "mine_capacitance:boxed"], 2, "backbone: gave list"),
    "texts as answers": (["of_texts"], 2, "y: got values of type <U1"),
    "lists as samples": (["of_lists"], 2, "x: got list; expected an array"),
    "some of lists as samples": (["of_lists", "-n", "20"], 2, "x: got list; expected an array"),
    "samples of another width": (["of_other_width"], 2, "expected (n, 6). Give samples"),
    "targets under cross-entropy": (["targets"], 2, "integer classes"),
    "absolute hessian": (["net", "--absolute", "--variant", "hessian"], 2, "absolute"),
    "a backbone that is nothing": (["net", "--backbone", "mine_capacitance:nothing"], 2, "returned NoneType"),
    "a backbone that fails": (["net", "--backbone", "mine_capacitance:fails"], 1, "no such input"),
    "a backbone of another width": (["net", "--backbone", "mine_capacitance:narrow"], 1, "(60, 6)"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence_and_leaves_nothing(here, case):
    np.save(here / "x.npy", X)
    (here / "damaged.graphml").write_text("<graphml>")
    igraph.Graph.Star(3).write_graphml(str(here / "g.graphml"))
    arguments, code, words = BAD[case]
    assert words in one_sentence(run(*arguments, "--out", "o"), code)
    assert not (here / "o").exists()


@pytest.mark.parametrize("out", ["there", "there/o", "/proc/o"])
def test_a_folder_that_cannot_be_written_is_said_before_anything_is_computed(here, monkeypatch, out):
    (here / "there").write_text("mine")

    def refuse(*_, **__):
        raise AssertionError("it was computed")

    monkeypatch.setattr("nngraph.dynamics.beta_eff", refuse)
    assert "--out" in one_sentence(run("net", "--out", out), 2)
    assert (here / "there").read_text() == "mine"


def test_the_real_command_prints_its_page_and_shows_no_warning_twice(here):
    command = [sys.executable, "-m", "nngraph", "capacitance", "mine_capacitance:three"]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=here, check=True)
    assert ran.stderr == ""
    assert ran.stdout == done("three")
