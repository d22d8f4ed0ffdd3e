"""Evaluation: the right numbers, nothing left changed, failures as rows, wrong arguments at once."""

import weakref

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import nngraph as nng
from nngraph.errors import ArgumentError, NNGraphError
from nngraph.evaluation import Evaluator, evaluate
from nngraph.training import mlp

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 6)).astype(np.float32)
Y = rng.integers(0, 3, 60)


@pytest.fixture
def model() -> nn.Sequential:
    return mlp((6, 5, 3), rng=0).train()


def bits(model: nn.Module) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in model.state_dict().items()}


def scaled(G: nng.NeuralGraph, factor: float) -> nng.NeuralGraph:
    return G.with_weights(G.weights() * np.float32(factor))


def by_hand(model: nn.Sequential, factor: float, x: np.ndarray = X) -> np.ndarray:
    with torch.no_grad():
        hidden = torch.relu(torch.from_numpy(x) @ (factor * model[0].weight).T + model[0].bias)
        return (hidden @ (factor * model[2].weight).T + model[2].bias).numpy()


# ------------------------------------------------------------------ the numbers


def test_each_graph_is_scored_as_its_weights_say(model):
    G = nng.from_torch(model)
    factors = [1, -1, 0.5, 0, 3]
    df = evaluate([scaled(G, factor) for factor in factors], model, (X, Y))
    assert df.columns.tolist() == ["graph", "metric", "value", "status"]
    assert df["graph"].tolist() == list(range(5))
    assert df["status"].eq("ok").all()
    expected = [np.mean(by_hand(model, factor).argmax(1) == Y) for factor in factors]
    np.testing.assert_allclose(df["value"], expected)
    assert len(set(expected)) > 2


def test_every_metric_comes_in_the_order_asked_for(model):
    G = nng.from_torch(model)

    def largest(outputs, y):
        return outputs.max()

    metrics = ("cross_entropy", largest, "auc", "accuracy")
    df = evaluate({"a": G, "b": scaled(G, -2)}, model, (X, Y), metrics)
    assert df["graph"].tolist() == ["a"] * 4 + ["b"] * 4
    assert df["metric"].tolist() == ["cross_entropy", "largest", "auc", "accuracy"] * 2
    logits = torch.from_numpy(by_hand(model, -2))
    values = dict(zip(df["metric"][4:], df["value"][4:], strict=True))
    assert values["cross_entropy"] == pytest.approx(float(nn.functional.cross_entropy(logits, torch.from_numpy(Y))))
    assert values["largest"] == pytest.approx(float(logits.max()), rel=1e-5)


def test_two_classes_have_a_recalibrated_accuracy():
    model = mlp((6, 5, 2), rng=0)
    with torch.no_grad():
        model[2].bias[1] += 100
    df = evaluate(nng.from_torch(model), model, (X, Y % 2), ("accuracy", "recalibrated")).set_index("metric")["value"]
    assert df["accuracy"] == np.mean(Y % 2 == 1)
    truth = evaluate(nng.from_torch(model), model, (X, Y % 2 == 1), "cross_entropy")["value"]
    assert truth.equals(evaluate(nng.from_torch(model), model, (X, Y % 2), "cross_entropy")["value"])
    logits = by_hand(model, 1)
    chosen = np.argsort(logits[:, 0] - logits[:, 1])[: np.count_nonzero(Y % 2)]
    assert df["recalibrated"] == pytest.approx(np.mean(np.isin(np.arange(60), chosen) == Y % 2))


def test_a_regression_is_scored_by_its_errors():
    model = mlp((6, 5, 1), rng=0)
    truth = X @ np.arange(6.0)
    df = evaluate(nng.from_torch(model), model, (X, truth), ("mse", "r2")).set_index("metric")["value"]
    residual = truth - by_hand(model, 1)[:, 0]
    assert df["mse"] == pytest.approx(np.mean(residual**2), rel=1e-5)
    assert df["r2"] == pytest.approx(1 - residual.var() / truth.var() - residual.mean() ** 2 / truth.var(), rel=1e-5)


def test_arrays_tensors_batches_and_loaders_give_the_same_rows(model):
    G = nng.from_torch(model)
    graphs = [G, scaled(G, -1)]
    pair = (torch.from_numpy(X), torch.from_numpy(Y))
    loader = DataLoader(TensorDataset(*pair), batch_size=7)
    read_only = X.astype(np.float64)
    read_only.setflags(write=False)
    metrics = ("accuracy", "auc")
    expected = evaluate(graphs, model, (X, Y), metrics)
    for df in (
        evaluate(graphs, model, pair, metrics),
        evaluate(graphs, model, loader, metrics),
        evaluate(graphs, model, (X, Y), metrics, batch_size=11),
        evaluate(graphs, model, (read_only, Y.tolist()), metrics),
        evaluate(graphs, model, [X[::-1], Y[::-1]], metrics),
        evaluate(graphs, model, (X, Y), metrics, device="cpu"),
    ):
        assert df["value"].to_numpy() == pytest.approx(expected["value"].to_numpy(), abs=1e-12)


def test_named_inputs_and_outputs_in_a_record_work_as_those_of_transformers(model):
    class Output(dict):
        def __getattr__(self, name):
            return self[name]

    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = model

        def forward(self, left, right):
            return Output(logits=self.net(torch.cat([left, right], dim=1)))

    named = Named()
    df = evaluate(nng.from_torch(named), named, ({"left": X[:, :2], "right": X[:, 2:]}, Y), batch_size=13)
    assert df["value"][0] == np.mean(by_hand(model, 1).argmax(1) == Y)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_models_of_another_precision_are_scored_in_their_own(model, dtype):
    model = model.to(dtype)
    df = evaluate(nng.from_torch(model), model, (X, Y))
    with torch.no_grad():
        expected = model(torch.from_numpy(X).to(dtype)).float().numpy().argmax(1)
    assert df["value"][0] == np.mean(expected == Y)


# -------------------------------------------------------------- names and order


def test_an_iterator_is_taken_one_graph_at_a_time_and_never_held(model):
    G = nng.from_torch(model)
    made = []

    def stream():
        for factor in range(1, 6):
            graph = scaled(G, factor)
            made.append(weakref.ref(graph))
            yield graph
            del graph

    def number_alive(outputs, y):
        return sum(reference() is not None for reference in made)

    df = evaluate(stream(), model, (X, Y), number_alive)
    assert df["value"].max() <= 2  # the one that is scored, and the one before until it is replaced
    assert len(made) == 5


def test_an_iterator_that_reads_the_model_finds_its_own_weights(model):
    own = model[0].weight.clone()
    seen = []

    def stream():
        for factor in (3.0, -1.0, 1.0):
            seen.append(torch.equal(model[0].weight, own))
            yield scaled(nng.from_torch(model), factor)

    df = evaluate(stream(), model, (X, Y))
    assert seen == [True] * 3
    G = nng.from_torch(model)
    assert df["value"].tolist() == evaluate([scaled(G, f) for f in (3.0, -1.0, 1.0)], model, (X, Y))["value"].tolist()


def test_names_say_which_graph_a_row_is_of(model):
    G = nng.from_torch(model)
    assert evaluate(G, model, (X, Y), names=["trained"])["graph"].tolist() == ["trained"]
    assert evaluate((G for _ in range(2)), model, (X, Y), names=(0.1, 0.2))["graph"].tolist() == [0.1, 0.2]
    with pytest.raises(ArgumentError, match="names"):
        evaluate([G, G], model, (X, Y), names=["one"])
    with pytest.raises(ArgumentError, match="names"):
        evaluate({"a": G}, model, (X, Y), names=["b"])


def test_no_graph_gives_a_table_without_rows(model):
    df = evaluate([], model, (X, Y))
    assert df.columns.tolist() == ["graph", "metric", "value", "status"]
    assert len(df) == 0
    assert df["value"].dtype == np.float64


# ---------------------------------------------------------------- nothing stays


def test_the_model_is_as_before_in_bits_modes_gradients_and_generators(model):
    model[0].eval()
    model[2].weight.requires_grad_(False)
    model(torch.from_numpy(X)).sum().backward()
    gradient = model[0].weight.grad.clone()
    before, state = bits(model), torch.random.get_rng_state()
    identity = [id(p) for p in model.parameters()]
    G = nng.from_torch(model)
    loader = DataLoader(TensorDataset(torch.from_numpy(X), torch.from_numpy(Y)), batch_size=7, shuffle=True)
    evaluate([scaled(G, 2), scaled(G, -1)], model, loader)
    assert bits(model) == before
    assert torch.equal(state, torch.random.get_rng_state())
    assert [module.training for module in model.modules()] == [True, False, True, True]
    assert [p.requires_grad for p in model.parameters()] == [True, True, False, True]
    assert torch.equal(model[0].weight.grad, gradient)
    assert [id(p) for p in model.parameters()] == identity
    model(torch.from_numpy(X)).sum().backward()


def test_the_model_is_as_before_after_an_error_between_graphs(model):
    before = bits(model)
    G = nng.from_torch(model)

    def stream():
        yield scaled(G, 2)
        raise KeyError("from the user's own generator")

    with pytest.raises(KeyError):
        evaluate(stream(), model, (X, Y))
    assert bits(model) == before
    assert model.training


def test_dropout_is_off_and_batch_statistics_are_not_moved():
    model = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Dropout(0.9), nn.Linear(5, 3))
    before = bits(model)
    G = nng.from_torch(model)
    first, second = (evaluate(G, model, (X, Y), "cross_entropy")["value"][0] for _ in range(2))
    assert first == second
    assert bits(model) == before


def test_an_evaluator_scores_many_times_and_closes_once_for_all(model):
    before = bits(model)
    G = nng.from_torch(model)
    evaluator = Evaluator(model, (X, Y), ("accuracy", "auc"))
    assert not model.training
    scores = [evaluator.score(graph) for graph in (G, scaled(G, -1), G)]
    assert scores[0] == scores[2] != scores[1]
    np.testing.assert_allclose(evaluator.outputs(scaled(G, -1)), by_hand(model, 1), rtol=1e-5, atol=1e-6)
    evaluator.close()
    evaluator.close()
    assert bits(model) == before
    assert model.training
    with pytest.raises(NNGraphError, match="closed"):
        evaluator.score(G)


# --------------------------------------------------------------------- failures


def test_a_graph_that_fails_is_a_row_and_the_others_go_on(model):
    G = nng.from_torch(model)
    other = nng.from_torch(mlp((6, 4, 4, 3), rng=0))
    huge = scaled(scaled(G, 1e30), 1e8)  # finite weights, infinite products
    before = bits(model)
    df = evaluate({"good": G, "other": other, "huge": huge, "again": G}, model, (X, Y), ("accuracy", "auc"))
    assert df["status"].str.startswith("failed: ").tolist() == [False, False, True, True, True, True, False, False]
    assert df["value"].isna().tolist() == [False, False, True, True, True, True, False, False]
    assert "of 60 samples" in df["status"][4]
    assert df["value"][0] == df["value"][6]
    assert bits(model) == before


def test_a_graph_without_origins_is_taken_by_position_or_fails(model):
    G = nng.from_torch(model)
    good = nng.from_matrices(G.to_matrices())
    df = evaluate([good, nng.from_matrices([np.ones((4, 6)), np.ones((3, 4))]), G], model, (X, Y))
    assert df["status"].str.startswith("failed: ").tolist() == [False, True, False]
    assert df["value"][0] == df["value"][2]


def test_a_metric_that_fails_leaves_the_other_metrics_standing(model):
    def broken(outputs, y):
        raise ZeroDivisionError("two\nlines")

    df = evaluate(nng.from_torch(model), model, (X, Y), ("accuracy", broken))
    assert df["status"].tolist() == ["ok", "failed: two lines"]


def test_a_metric_that_writes_to_its_arguments_changes_no_other(model):
    def emptying(outputs, y):
        outputs *= 0
        y *= 0
        return 0.0

    G = nng.from_torch(model)
    labels = Y.copy()
    expected = evaluate(G, model, (X, labels), "accuracy")["value"][0]
    df = evaluate([G, G], model, (X, labels), (emptying, "accuracy"))
    assert df["value"].tolist() == [0.0, expected, 0.0, expected]
    np.testing.assert_array_equal(labels, Y)


def test_an_iterator_that_leaves_the_model_in_training_mode_is_scored_without_dropout():
    model = nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.9), nn.Linear(8, 3))
    G = nng.from_torch(model)

    def trained():
        for _ in range(3):
            model.train()
            yield G

    assert evaluate(trained(), model, (X, Y), "cross_entropy")["value"].nunique() == 1


def test_truth_of_type_bool_has_a_share_of_variance(model):
    truth = np.eye(3)[Y] > 0
    by_bool, by_float = (evaluate(nng.from_torch(model), model, (X, y), "r2") for y in (truth, truth.astype(float)))
    assert by_bool["value"][0] == by_float["value"][0]


def test_a_model_without_numbers_is_refused(model):
    G = nng.from_torch(model)
    with pytest.raises(ArgumentError, match="meta device"):
        evaluate(G, model.to("meta"), (X, Y))


def test_score_raises_what_a_row_would_say(model):
    G = nng.from_torch(model)
    with Evaluator(model, (X, Y)) as evaluator, pytest.raises(NNGraphError, match="NaN or infinite"):
        evaluator.score(scaled(scaled(G, 1e30), 1e8))


def test_a_graph_of_some_blocks_leaves_the_others_as_the_model_has_them(model):
    G = nng.from_torch(model)
    first = G.select("0")
    df = evaluate(
        [first, scaled(G, -1), first, nng.ops.binarize(G, bias="zero"), first], model, (X, Y), "cross_entropy"
    )
    assert df["status"].eq("ok").all()
    assert df["value"][0] == df["value"][2] == df["value"][4] != df["value"][1]


# -------------------------------------------------------------- wrong arguments


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"metrics": "acuracy"}, "'accuracy', 'auc', 'recalibrated', 'cross_entropy', 'mse', 'r2'"),
        ({"metrics": ()}, "metrics: got none"),
        ({"metrics": ("auc", "auc")}, "two of the name 'auc'"),
        ({"metrics": "recalibrated"}, "got 3 classes"),
        ({"metrics": "mse"}, "expected finite numbers of the same shape"),
        ({"data": (X, Y[:-1])}, "as many samples"),
        ({"data": (X[:0], Y[:0])}, "at least one"),
        ({"data": (X, Y + 1)}, "classes from 1 to 3 for 3 outputs"),
        ({"data": (X, Y - 1)}, "classes from -1 to 1"),
        ({"data": (X, Y.astype(float))}, r"expected \(n,\) integers"),
        ({"data": (X, np.zeros(60, int)), "metrics": "auc"}, "class 0 alone"),
        ({"data": X}, "expected a pair"),
        ({"data": (X, Y, Y)}, "expected a pair"),
        ({"data": (X, 3)}, "as many samples"),
        ({"batch_size": 0}, "batch_size: got 0"),
        ({"batch_size": 1.5}, "batch_size: got 1.5"),
        ({"data": DataLoader(TensorDataset(torch.ones(4, 6), torch.zeros(4).long())), "batch_size": 2}, "DataLoader"),
        ({"graphs": [3]}, "got a int at 0"),
        ({"graphs": None}, "graphs: got a NoneType"),
        ({"metrics": None}, "metrics: got None"),
        ({"metrics": [3]}, "metrics: got 3"),
        ({"metrics": [lambda o, y: 0.0, lambda o, y: 1.0]}, "Give your functions a __name__ each"),
        ({"batch_size": True}, "batch_size: got True"),
        ({"data": (X[:, :4], Y)}, r"x of shape \(2, 4\) and torch.float32"),
        ({"data": (X.astype(int), Y)}, "torch.int64"),
        ({"data": (X, np.array(["a"] * 60))}, "got y that is no array of numbers"),
        ({"data": (X.astype(object), Y)}, "got x that is no array of numbers"),
        ({"device": "meta"}, "loses its weights"),
        ({"device": "gpu"}, "device: got 'gpu', which cannot be used here"),
        ({"model": None}, "model: got a NoneType"),
    ],
)
def test_a_wrong_argument_raises_at_once_and_leaves_the_model_alone(model, wrong, message):
    before = bits(model)
    arguments = {"graphs": nng.from_torch(model), "model": model, "data": (X, Y)} | wrong
    with pytest.raises(ArgumentError, match=message):
        evaluate(**arguments)
    assert bits(model) == before
    assert model.training


def test_outputs_that_are_not_one_row_of_classes_per_sample_are_refused():
    column = mlp((6, 1), rng=0)
    with pytest.raises(ArgumentError, match="one column per class"):
        evaluate(nng.from_torch(column), column, (X, Y % 2))
    flat = nn.Sequential(mlp((6, 3), rng=0), nn.Flatten(0))
    with pytest.raises(ArgumentError, match="one row per sample"):
        evaluate(nng.from_torch(flat), flat, (X, Y))
    constant = mlp((6, 1), rng=0)
    with pytest.raises(ArgumentError, match="constant y"):
        evaluate(nng.from_torch(constant), constant, (X, np.ones(60)), "r2")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_another_device_the_scores_are_the_same_and_the_model_comes_back(model):
    before = bits(model)
    G = nng.from_torch(model)
    graphs = [G, scaled(G, -1)]
    here, there = (evaluate(graphs, model, (X, Y), ("accuracy", "auc"), device=device) for device in (None, "cuda"))
    np.testing.assert_allclose(here["value"], there["value"], atol=1e-6)
    assert next(model.parameters()).device.type == "cpu"
    assert bits(model) == before
