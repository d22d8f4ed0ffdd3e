"""Training: own random numbers, the schedule of the paper, honest selection, the same bits for the same seed."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from nngraph.datasets import Task, load
from nngraph.errors import ArgumentError, ConvergenceError
from nngraph.metrics import accuracy
from nngraph.training import mlp, single_thread, train


@pytest.fixture(autouse=True)
def one_thread():
    with single_thread():
        yield


@pytest.fixture(scope="module")
def task() -> Task:
    return load("digits").pair(1, 8, rng=0)


def bits(model: nn.Module) -> list[bytes]:
    return [value.detach().cpu().numpy().tobytes() for value in model.state_dict().values()]


def answers(model: nn.Module, x: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return model(torch.from_numpy(x)).numpy()


# ------------------------------------------------------------------------- mlp


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("sizes", [(3, 2), (784, 64, 2), (5, 4, 3, 2), (1, 1)])
def test_an_mlp_has_the_layers_and_the_range_that_were_asked_for(sizes, activation, bias):
    model = mlp(sizes, activation=activation, bias=bias, rng=0)
    linear = [layer for layer in model if isinstance(layer, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in linear] == list(itertools.pairwise(sizes))
    assert len(model) == 2 * len(linear) - 1
    assert [type(layer).__name__.lower() for layer in model[1::2]] == [activation] * (len(linear) - 1)
    for layer in linear:
        assert (layer.bias is not None) == bias
        bound = 1 / math.sqrt(layer.in_features)
        for parameter in layer.parameters():
            assert parameter.dtype == torch.float32
            assert parameter.requires_grad
            assert parameter.abs().max() <= bound * (1 + 1e-6)


def test_initial_weights_are_uniform_as_those_of_torch():
    from scipy.stats import kstest

    layer = mlp((784, 64, 2), rng=1)[0]
    for values in (layer.weight, nn.Linear(784, 64).weight):
        scaled = values.detach().numpy().ravel() * math.sqrt(784)
        assert kstest(scaled, "uniform", args=(-1, 2)).pvalue > 1e-4


def test_the_same_seed_gives_the_same_bits_and_leaves_the_global_generators_alone(task):
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    runs = []
    for seed in (7, 7, 8):
        model = mlp((784, 8, 2), rng=seed)
        runs.append((model, train(model, task.x_train, task.y_train, epochs=2, batch_size=16, rng=seed)))
    assert bits(runs[0][0]) == bits(runs[1][0])
    np.testing.assert_array_equal(runs[0][1].loss, runs[1][1].loss)
    assert bits(runs[0][0]) != bits(runs[2][0])
    assert torch.equal(before[0], torch.random.get_rng_state())
    np.testing.assert_array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("sizes", [(3,), (), (3, 0), (3, 2.5), (3, -1)])
def test_impossible_sizes_are_refused(sizes):
    with pytest.raises(ArgumentError, match="sizes"):
        mlp(sizes)


def test_an_unknown_activation_is_refused():
    with pytest.raises(ArgumentError, match="'relu', 'tanh', 'sigmoid'"):
        mlp((3, 2), activation="gelu")


# ----------------------------------------------------------------------- train


def test_training_equals_the_same_steps_written_by_hand(task):
    x, y = torch.from_numpy(task.x_train), torch.from_numpy(task.y_train)
    batches: list[torch.Tensor] = []

    class Watched(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = mlp((784, 8, 2), rng=3)

        def forward(self, inputs):
            if self.training:
                batches.append(inputs.clone())
            return self.net(inputs)

    model = Watched()
    epochs, lr = 3, 0.01
    run = train(model, x, y, epochs=epochs, lr=lr, batch_size=50, validation=None, select="last", rng=0)
    per_epoch = math.ceil(len(x) / 50)
    assert run.steps == run.best_step == epochs * per_epoch == len(batches)
    assert run.accuracy is None
    row = {sample.numpy().tobytes(): i for i, sample in enumerate(x)}
    order = [[row[sample.numpy().tobytes()] for sample in batch] for batch in batches]
    for epoch in range(epochs):  # each sample once an epoch, in an order of its own
        seen = itertools.chain.from_iterable(order[epoch * per_epoch : (epoch + 1) * per_epoch])
        assert sorted(seen) == list(range(len(x)))
    assert order[:per_epoch] != order[per_epoch : 2 * per_epoch]

    net = mlp((784, 8, 2), rng=3)
    # Adam as in the paper of Kingma and Ba, in float64
    values = [p.detach().double() for p in net.parameters()]
    first, second = ([torch.zeros_like(v) for v in values] for _ in range(2))
    for step, rows in enumerate(order):
        rate = lr * 0.5 * (1 + math.cos(math.pi * (step // per_epoch) / epochs))
        leaves = [v.clone().requires_grad_() for v in values]
        hidden = torch.relu(x[rows].double() @ leaves[0].T + leaves[1])
        logits = hidden @ leaves[2].T + leaves[3]
        loss = -torch.log_softmax(logits, 1)[torch.arange(len(rows)), y[rows]].mean()
        assert run.loss[step] == pytest.approx(float(loss.detach()), abs=2e-4)
        gradients = torch.autograd.grad(loss, leaves)
        for i, g in enumerate(gradients):
            first[i] = 0.9 * first[i] + 0.1 * g
            second[i] = 0.999 * second[i] + 0.001 * g * g
            up, down = first[i] / (1 - 0.9 ** (step + 1)), second[i] / (1 - 0.999 ** (step + 1))
            values[i] = values[i] - rate * up / (down.sqrt() + 1e-8)
    for trained, expected in zip(model.parameters(), values, strict=True):
        np.testing.assert_allclose(trained.detach().numpy(), expected.numpy(), atol=2e-4)


def test_best_keeps_the_first_of_the_best_steps_on_the_set_that_was_passed(task):
    held_out = (task.x_test, task.y_test)
    model = mlp((784, 16, 2), rng=0)
    run = train(model, task.x_train, task.y_train, batch_size=16, validation=held_out, rng=0)
    assert run.accuracy.shape == run.loss.shape == (run.steps,)
    assert run.best_step == 1 + int(np.argmax(run.accuracy))
    assert accuracy(answers(model, task.x_test), task.y_test) == run.accuracy.max()
    last = mlp((784, 16, 2), rng=0)
    other = train(last, task.x_train, task.y_train, batch_size=16, validation=held_out, select="last", rng=0)
    np.testing.assert_array_equal(run.accuracy, other.accuracy)
    assert other.best_step == other.steps
    assert accuracy(answers(last, task.x_test), task.y_test) == other.accuracy[-1]


def test_the_held_out_share_is_taken_from_each_class_and_never_trained_on():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(112, 4)).astype(np.float32)
    y = np.repeat([0, 1, 2, 3], [50, 30, 30, 2])
    trained: set[bytes] = set()
    judged: list[set[bytes]] = []

    class Watched(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = mlp((4, 4), rng=0)

        def forward(self, inputs):
            samples = {sample.numpy().tobytes() for sample in inputs}
            if self.training:
                trained.update(samples)
            elif len(samples) > 1:
                judged.append(samples)
            return self.net(inputs)

    train(Watched(), x, y, epochs=2, batch_size=16, validation=0.2, rng=1)
    held_out = judged[0]
    assert all(other == held_out for other in judged)
    assert not trained & held_out
    assert len(trained | held_out) == len(x)
    counts = np.bincount([y[i] for i in range(len(x)) if x[i].tobytes() in held_out])
    assert counts.tolist() == [10, 6, 6, 1]


def test_a_trained_pair_of_digits_beats_chance_by_far(task):
    model = mlp((784, 64, 2), rng=0)
    run = train(model, task.x_train, task.y_train, batch_size=16, rng=0)
    assert accuracy(answers(model, task.x_test), task.y_test) > 0.8 > task.chance + 0.2
    assert run.loss[-5:].mean() < 0.2 * run.loss[:5].mean()


def test_dropout_and_batch_statistics_follow_the_seed(task):
    def run(seed):
        model = nn.Sequential(mlp((784, 8), rng=0), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), mlp((8, 2), rng=1))
        train(model, task.x_train, task.y_train, epochs=2, batch_size=30, rng=seed)
        return bits(model)

    torch.manual_seed(1)
    first = run(5)
    torch.manual_seed(2)
    state = torch.random.get_rng_state()
    assert run(5) == first
    assert torch.equal(state, torch.random.get_rng_state())
    assert run(6) != first


def test_best_restores_buffers_with_the_weights(task):
    model = nn.Sequential(mlp((784, 8), rng=0), nn.BatchNorm1d(8), nn.ReLU(), mlp((8, 2), rng=1))
    held_out = (task.x_test, task.y_test)
    run = train(model, task.x_train, task.y_train, batch_size=16, validation=held_out, rng=0)
    model.eval()
    assert accuracy(answers(model, task.x_test), task.y_test) == run.accuracy.max()
    assert int(model[1].num_batches_tracked) == run.best_step < run.steps


def test_modes_and_frozen_parameters_stay_as_they_were(task):
    model = mlp((784, 8, 2), rng=0).train()
    model[0].eval()
    model[0].weight.requires_grad_(False)
    before = model[0].weight.clone()
    train(model, task.x_train, task.y_train, epochs=1, batch_size=16, rng=0)
    assert [module.training for module in model.modules()] == [True, False, True, True]
    assert torch.equal(model[0].weight, before)
    assert not torch.equal(model[2].weight, mlp((784, 8, 2), rng=0)[2].weight)


def test_inputs_of_another_float_type_or_read_only_are_taken_as_they_are(task):
    x = task.x_train.astype(np.float64)
    x.setflags(write=False)
    one, other = mlp((784, 4, 2), rng=0), mlp((784, 4, 2), rng=0)
    train(one, x, task.y_train.astype(np.uint8), epochs=1, rng=0)
    train(other, torch.from_numpy(task.x_train), torch.from_numpy(task.y_train), epochs=1, rng=0)
    assert bits(one) == bits(other)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"epochs": 0}, "epochs: got 0"),
        ({"batch_size": 2.5}, "batch_size: got 2.5"),
        ({"lr": 0}, "lr: got 0"),
        ({"lr": float("nan")}, "lr: got nan"),
        ({"select": "first"}, "select: got 'first'"),
        ({"validation": None}, "'best' without a validation set"),
        ({"validation": 1.0}, "validation: got 1.0"),
        ({"validation": 0.0}, "validation: got 0.0"),
        ({"validation": 36}, "validation: got 36"),
        ({"validation": (np.zeros((3, 784)), [0, 1])}, "validation: got inputs"),
        ({"validation": (np.zeros((2, 784)), [0, 2])}, "labels up to 2"),
        ({"y": np.zeros(5, dtype=int)}, "x, y: got inputs"),
        ({"y": np.zeros(178)}, "expected integers"),
        ({"y": np.full(178, 4)}, "labels up to 4"),
        ({"model": nn.ReLU()}, "without parameters"),
    ],
)
def test_a_wrong_argument_is_named_and_nothing_is_trained(task, wrong, message):
    model = mlp((784, 4, 2), rng=0)
    before = bits(model)
    arguments = {"model": model, "x": task.x_train, "y": task.y_train, "rng": 0} | wrong
    with pytest.raises(ArgumentError, match=message):
        train(**arguments)
    assert bits(model) == before
    assert not any(module.training for module in model.modules())


def test_a_single_sample_of_each_class_cannot_be_split():
    with pytest.raises(ArgumentError, match="none can be held out"):
        train(mlp((2, 2), rng=0), np.eye(2), [0, 1], rng=0)


def test_a_loss_that_is_not_finite_stops_the_training():
    x = np.full((8, 2), np.inf, dtype=np.float32)
    with pytest.raises(ConvergenceError, match="epoch 1 of 10"):
        train(mlp((2, 3, 2), rng=0), x, np.arange(8) % 2, rng=0)


def test_single_thread_puts_the_number_of_threads_back_even_after_an_error():
    def fail():
        with single_thread():
            assert torch.get_num_threads() == 1
            raise KeyError

    torch.set_num_threads(2)
    with pytest.raises(KeyError):
        fail()
    assert torch.get_num_threads() == 2
