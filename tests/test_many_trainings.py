"""Networks trained together: the gradients of autograd, the steps of the plain loop, the same distribution."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from torch import nn

import nngraph as nng
from nngraph._rng import child
from nngraph._stacked import Run, Samples, Stack
from nngraph.datasets import Task, load
from nngraph.errors import ArgumentError, ConvergenceError
from nngraph.metrics import accuracy
from nngraph.studies import Training
from nngraph.training import mlp, single_thread, train

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def one_thread():
    with single_thread():
        yield


@pytest.fixture(scope="module")
def digits():
    return load("digits")


@pytest.fixture(scope="module")
def task(digits) -> Task:
    return digits.pair(1, 8, rng=0)


def one_by_one(task, seed, training, *, batches_of=None, on_test=False):
    """Train by the plain loop: the weights of one seed, the samples of another."""
    best = training.select == "best"
    return train(
        training.network(task, seed),
        task.x_train,
        task.y_train,
        epochs=training.epochs,
        lr=training.lr,
        batch_size=training.samples_a_step(task),
        validation=(task.x_test, task.y_test) if on_test else 0.2 if best else None,
        select="best" if on_test else training.select,
        every=training.every,
        rng=child(batches_of or seed, "training"),
    )


def seeds(n, first=0):
    return [np.random.SeedSequence(first + i) for i in range(n)]


def assert_same_run(run, plain, atol=1e-4):
    assert (run.steps, run.best_step, run.every) == (plain.steps, plain.best_step, plain.every)
    np.testing.assert_allclose(run.loss, plain.loss, atol=atol)
    if plain.accuracy is None:
        assert run.accuracy is None
    else:
        np.testing.assert_allclose(run.accuracy, plain.accuracy, atol=1e-12)
    for parameter, expected in zip(run.model.parameters(), plain.model.parameters(), strict=True):
        assert parameter.shape == expected.shape
        np.testing.assert_allclose(parameter.detach(), expected.detach(), atol=atol)


# -------------------------------------------------------------------- one step


@pytest.mark.parametrize("sizes", [(5, 3), (5, 4, 2), (5, 4, 3, 2), (5, 6, 4, 3, 7)], ids=str)
@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shared", [True, False])
def test_the_gradient_of_each_network_is_that_of_autograd(sizes, activation, bias, shared):
    rng = np.random.default_rng(0)
    models = [mlp(sizes, activation=activation, bias=bias, rng=seed) for seed in range(3)]
    stack = Stack(models, activation, CPU)
    for n in (9, 4, 9):  # a smaller last batch, and arrays that are used again
        x = torch.from_numpy(rng.normal(size=(n, 5) if shared else (3, n, 5)).astype(np.float32))
        y = torch.from_numpy(rng.integers(0, sizes[-1], (1 if shared else 3, n)))
        losses = stack.step(x, y)
        found = stack.views(stack.gradient)
        for i in range(3):
            double = mlp(sizes, activation=activation, bias=bias, rng=i).double()
            inputs, truth = (x, y[0]) if shared else (x[i], y[i])
            loss = nn.functional.cross_entropy(double(inputs.double()), truth)
            loss.backward()
            assert float(losses[i]) == pytest.approx(float(loss.detach()), rel=1e-5)
            gradients = [view[i] for pair in found for view in pair if view is not None]
            for gradient, parameter in zip(gradients, double.parameters(), strict=True):
                size = float(parameter.grad.abs().max())  # sums of single precision err by a share of their terms
                np.testing.assert_allclose(gradient, parameter.grad, rtol=1e-5, atol=1e-5 * size)
        assert len(list(models[0].parameters())) == len(gradients)


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_a_step_is_that_of_adam_in_torch_on_each_network_alone(activation):
    rng = np.random.default_rng(1)
    x = torch.from_numpy(rng.normal(size=(12, 6)).astype(np.float32))
    y = torch.from_numpy(rng.integers(0, 3, 12))
    models = [mlp((6, 5, 3), activation=activation, rng=seed) for seed in range(4)]
    stack = Stack(models, activation, CPU)
    run = Run(stack, [Samples(slice(0, 4), x, y, None, None)], lr=0.01, epochs=3, batch_size=12, every=1)
    optimizers = [torch.optim.Adam(model.parameters(), lr=0.01) for model in models]
    for epoch in range(3):
        rows = torch.from_numpy(np.stack([rng.permutation(12) for _ in models]))
        assert run.epoch(rows).all()
        for i, (model, optimizer) in enumerate(zip(models, optimizers, strict=True)):
            optimizer.param_groups[0]["lr"] = 0.01 * 0.5 * (1 + np.cos(np.pi * epoch / 3))
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[rows[i]]), y[rows[i]]).backward()
            optimizer.step()
            views = [view[i] for pair in stack.parameters for view in pair if view is not None]
            for view, parameter in zip(views, model.parameters(), strict=True):
                np.testing.assert_allclose(view, parameter.detach(), rtol=1e-5, atol=1e-6)


# --------------------------------------------------------------- whole trainings


@pytest.mark.parametrize(
    ("settings", "on_test"),
    [
        ({"hidden": (16,)}, False),
        ({"hidden": (8, 5), "activation": "tanh", "bias": False, "every": 4}, False),
        ({"hidden": (8,), "activation": "sigmoid", "select": "last"}, False),
        ({"hidden": (8,), "select": "last", "every": 5}, True),
        ({"hidden": (8,), "batch_size": 1000}, False),
    ],
    ids=str,
)
def test_each_network_is_the_one_that_the_plain_loop_gives(digits, task, settings, on_test):
    training = Training(epochs=2, **settings)
    tasks = [task, digits.pair(0, 7, rng=0), task, digits.pair(1, 8, rng=0), task]
    runs = nng.train_many(tasks, seeds(5), training=training, on_test=on_test)
    for its, seed, run in zip(tasks, seeds(5), runs, strict=True):
        assert run.order == "own"
        assert_same_run(run, one_by_one(its, seed, training, on_test=on_test))
    called = training(task, seeds(1)[0], on_test=on_test)
    for parameter, expected in zip(runs[0].model.parameters(), called.parameters(), strict=True):
        np.testing.assert_allclose(parameter.detach(), expected.detach(), atol=1e-4)


def test_networks_of_tasks_of_other_shapes_and_numbers_of_classes_train_together_in_the_order_given(digits):
    rng = np.random.default_rng(0)
    few = Task("few", rng.normal(size=(30, 4)), np.arange(30) % 3, rng.normal(size=(6, 4)), np.arange(6) % 3)
    more = Task("more", rng.normal(size=(41, 4)), np.arange(41) % 3, rng.normal(size=(6, 4)), np.arange(6) % 3)
    wide = Task("wide", rng.normal(size=(30, 7)), np.arange(30) % 2, rng.normal(size=(6, 7)), np.arange(6) % 2)
    training = Training(hidden=(5,), epochs=2)
    tasks = [few, wide, more, few, wide]
    for run, its, seed in zip(nng.train_many(tasks, seeds(5), training=training), tasks, seeds(5), strict=True):
        assert_same_run(run, one_by_one(its, seed, training))


def test_with_a_shared_order_all_see_the_samples_of_the_first_network_of_their_task(digits, task):
    training = Training(hidden=(8,), epochs=2)
    other = digits.pair(0, 7, rng=0)
    tasks = [task, other, task, other, task]
    own = seeds(5)
    runs = nng.train_many(tasks, own, training=training, order="shared")
    for its, seed, run in zip(tasks, own, runs, strict=True):
        assert run.order == "shared"
        assert_same_run(run, one_by_one(its, seed, training, batches_of=own[0 if its is task else 1]))
    assert not np.allclose(runs[2].loss, one_by_one(task, own[2], training).loss, atol=1e-2)


def test_groups_of_any_size_give_the_same_networks(task, monkeypatch):
    training = Training(hidden=(8,), epochs=2)
    for order in ("own", "shared"):
        together = nng.train_many([task] * 5, seeds(5), training=training, order=order)
        for size in (1, 500_000):
            monkeypatch.setattr("nngraph.many_trainings._BYTES", {"cpu": size, "cuda": size})
            apart = nng.train_many([task] * 5, seeds(5), training=training, order=order)
            for run, expected in zip(apart, together, strict=True):
                assert_same_run(run, expected)
        monkeypatch.undo()


def test_accuracies_have_the_distribution_of_those_of_the_plain_loop(task):
    """Of 24 networks each: in pairs of equal seeds, and as two samples of other seeds."""
    from scipy.stats import ttest_ind, ttest_rel

    training = Training(hidden=(16,), epochs=5, every=3)

    def scores(models):
        with torch.no_grad():
            x = torch.from_numpy(task.x_test)
            return np.array([accuracy(model(x).numpy(), task.y_test) for model in models])

    together = scores([run.model for run in nng.train_many([task] * 24, seeds(24), training=training)])
    same = scores([training(task, seed) for seed in seeds(24)])
    others = scores([training(task, seed) for seed in seeds(24, first=100)])
    difference = together - same
    assert abs(difference.mean()) < 0.002
    assert not difference.any() or ttest_rel(together, same).pvalue > 0.01
    assert ttest_ind(together, others).pvalue > 0.01
    # what the second test can see: a shift by 1.2 standard deviations
    shift = 1.2 * np.std(np.concatenate([together, others]), ddof=1)
    assert ttest_ind(together - shift, others).pvalue < 0.01
    assert ttest_ind(together + shift, others).pvalue < 0.01


def test_evaluations_come_every_so_many_steps_and_after_the_last(task):
    every_step = nng.train_many([task], [3], training=Training(hidden=(8,), epochs=2))[0]
    for every, expected in ((1, 18), (4, 5), (6, 3), (17, 2), (18, 1), (99, 1)):
        training = Training(hidden=(8,), epochs=2, every=every)
        run = nng.train_many([task], [3], training=training)[0]
        assert run.evaluated.tolist() == sorted({*range(every, 19, every), 18})
        assert len(run.accuracy) == len(run.evaluated) == expected
        np.testing.assert_array_equal(run.accuracy, every_step.accuracy[run.evaluated - 1])
        assert run.best_step == run.evaluated[np.argmax(run.accuracy)]
        assert one_by_one(task, np.random.SeedSequence(3), training).best_step == run.best_step


def test_the_samples_of_a_task_are_held_once_and_the_generators_of_all_stay_alone(task, monkeypatch):
    seen = []
    whole = Run.__init__
    monkeypatch.setattr(
        Run,
        "__init__",
        lambda run, stack, samples, **rest: (seen.extend(samples), whole(run, stack, samples, **rest))[1],
    )
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    nng.train_many([task] * 3, [0, 1, 2], training=Training(hidden=(4,), epochs=1))
    assert [samples.networks for samples in seen] == [slice(0, 3)]
    assert np.shares_memory(seen[0].x.numpy(), task.x_train)
    assert torch.equal(before[0], torch.random.get_rng_state())
    np.testing.assert_array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002


def test_no_networks_are_no_work():
    assert nng.train_many([], []) == []


# -------------------------------------------------------------------- bad input


def test_a_network_whose_loss_is_not_finite_is_named(task):
    x = np.full((40, 2), np.inf, dtype=np.float32)
    bad = Task("broken", x, np.arange(40) % 2, x[:4], np.arange(4) % 2)
    good = Task("fine", np.ones((40, 2)), np.arange(40) % 2, np.ones((4, 2)), np.arange(4) % 2)
    with pytest.raises(ConvergenceError, match=r"network 1 \(task 'broken'\).*epoch 1 of 10"):
        nng.train_many([good, bad], [0, 1])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"tasks": 3}, "tasks: got something else"),
        ({"tasks": [3, 4]}, "tasks: got something else"),
        ({"seeds": [1]}, "seeds: got 1 for 2 tasks"),
        ({"seeds": 5}, "seeds: got int for 2 tasks"),
        ({"seeds": [1, -2]}, "negative seed"),
        ({"order": "any"}, "order: got 'any'"),
        ({"device": "meta"}, "device: got 'meta'"),
        ({"device": "nonsense"}, "device: got 'nonsense'"),
    ],
)
def test_a_wrong_argument_is_named(task, wrong, message):
    with pytest.raises(ArgumentError, match=message):
        nng.train_many(**({"tasks": [task, task], "seeds": [0, 1]} | wrong))


def test_images_that_are_not_flat_are_refused():
    x = np.zeros((8, 2, 2))
    with pytest.raises(ArgumentError, match=r"task 'images': got inputs of shape \(8, 2, 2\); expected \(n, d\)"):
        nng.train_many([Task("images", x, np.arange(8) % 2, x, np.arange(8) % 2)], [0])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_one_sentence(task):
    with pytest.raises(ArgumentError, match=r"^device: got 'cuda', which cannot be used here"):
        nng.train_many([task], [0], device="cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("order", ["own", "shared"])
def test_a_gpu_trains_the_same_networks(digits, task, order):
    training = Training(hidden=(8,), epochs=2)
    tasks = list(itertools.chain.from_iterable([[task, digits.pair(0, 7, rng=0)]] * 3))
    there = nng.train_many(tasks, seeds(6), training=training, order=order, device="cuda")
    for run, expected in zip(there, nng.train_many(tasks, seeds(6), training=training, order=order), strict=True):
        assert next(run.model.parameters()).device == CPU
        np.testing.assert_allclose(run.loss, expected.loss, atol=1e-3)


def test_seeds_may_be_an_array(task):
    few = Training(hidden=(3,), epochs=1)
    one, two = (nng.train_many([task] * 2, seeds, training=few) for seeds in ([0, 1], np.arange(2)))
    assert all(torch.equal(a.model[0].weight, b.model[0].weight) for a, b in zip(one, two, strict=True))


def test_a_task_of_one_class_is_refused(task):
    one = dataclasses.replace(task, y_train=np.zeros_like(task.y_train))
    with pytest.raises(ArgumentError, match="got one class or none in y_train"):
        nng.train_many([one], [0])
