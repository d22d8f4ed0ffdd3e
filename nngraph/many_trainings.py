"""Many small multilayer perceptrons trained at once: their parameters are stacked, a step is a few batched products."""

from __future__ import annotations

import dataclasses
import itertools
import math
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from nngraph import _arguments
from nngraph._progress import progress
from nngraph._rng import RNG, child, generator, seed_sequence
from nngraph._stacked import Run, Samples, Stack
from nngraph._tensors import as_tensor, usable_device
from nngraph._units import Training
from nngraph.errors import ArgumentError, ConvergenceError
from nngraph.training import Trained, split

if TYPE_CHECKING:
    from nngraph.datasets import Task

__all__ = ["train_many"]

_BYTES = {"cpu": 12 * 2**20, "cuda": 4 * 2**30}
"""Memory of the networks that are trained at a time: what a processor's last cache holds, or a share of a card's."""


def train_many(
    tasks: Sequence[Task],
    seeds: Sequence[RNG] | np.ndarray,
    *,
    training: Training | None = None,
    order: Literal["own", "shared"] = "own",
    on_test: bool = False,
    device: str | torch.device | None = None,
    label: str = "networks",
) -> list[Trained]:
    r"""Train one multilayer perceptron for each task and seed, several of them in one computation.

    Network :math:`r` has parameters :math:`W^{(r)}_l`; those of all networks of a group are stacked, and a step is

    .. math::
        H_l = \phi(W_l H_{l-1} + b_l), \qquad
        \frac{\partial L}{\partial W_l} = D_l H_{l-1}^\top, \qquad D_{l-1} = \phi'(H_{l-1}) \odot W_l^\top D_l

    over all of them at once, followed by one pass of Adam over one vector of parameters.

    Parameters
    ----------
    tasks : sequence of Task
        The task of each network; the same object repeated for several seeds is held once. Inputs of shape (n, d).
    seeds : sequence or array of int, SeedSequence or Generator
        The seed of each network, of the same length. An integer stands for ``numpy.random.SeedSequence`` of it.
    training : Training, optional
        Sizes and settings, the same for all; by default ``Training()``.
    order : "own" or "shared"
        With "own", network i has the initial weights, held-out samples and batches of ``training(tasks[i], seed)``
        with ``seed = numpy.random.SeedSequence(seeds[i])``.
        With "shared", all networks of a task (of one object) have the held-out samples and batches of the first of
        them: the networks of a task then differ by their initial weights only, which is another experiment. The
        results say which it was.
    on_test : bool
        Select the best step on the test set, as published.
    device : str or torch.device, optional
        Where to train, for example "cuda"; by default the CPU. The models come back to the CPU.
    label : str
        Of the progress bar.

    Returns
    -------
    list of Trained
        One for each network, in the order given; ``seconds`` is its share of the time of its group.

    Raises
    ------
    ArgumentError
        If there are not as many seeds as tasks, inputs are not (n, d), or the device cannot be used.
    ConvergenceError
        If the loss of a network becomes NaN or infinite; the message names it.

    Notes
    -----
    The result differs from that of the networks trained one by one by the rounding of sums, which grows over the steps
    and may choose another of several best steps; distributions over seeds are the same. For the same reason the last
    bits depend on which networks are passed together. Networks of the same shape and number of samples and steps form
    groups of about ten. Memory: the inputs of a group's tasks, for each network of 784-64-2 1.2 MB, and, in its own
    order, a copy of the samples that it holds out. One thread trains small networks fastest
    (:func:`nngraph.training.single_thread`); share the tasks out over processes to use more.

    References
    ----------
    .. [1] D. P. Kingma, J. Ba, "Adam: a method for stochastic optimization", ICLR, 2015.

    Examples
    --------
    >>> import nngraph as nng
    >>> task = nng.datasets.load("digits").pair(0, 7, rng=0)
    >>> runs = nng.train_many([task] * 3, [0, 1, 2], training=nng.studies.Training(hidden=(16,), epochs=3, every=9))
    >>> [run.steps for run in runs], all(run.accuracy.max() > 0.9 for run in runs)
    ([27, 27, 27], True)
    """
    training = Training() if training is None else training
    _arguments.choice("order", order, ("own", "shared"))
    seeds = list(seeds) if isinstance(seeds, np.ndarray) and seeds.ndim == 1 else seeds
    _check(tasks, seeds)
    place = usable_device("cpu" if device is None else device)
    own_seeds = [seed_sequence(seed) for seed in seeds]
    networks = _networks(tasks, own_seeds, training, shared=order == "shared", on_test=on_test)
    groups = list(_groups(networks, training, place, shared=order == "shared"))
    trained: list[Trained | None] = [None] * len(tasks)
    n_epochs = len(groups) * training.epochs
    for group, runs in progress(_epochs(groups, training, order, place), total=n_epochs, label=label):
        for network, run in zip(group, runs, strict=False):  # none before the last epoch
            trained[network.position] = run
    return [run for run in trained if run is not None]


@dataclasses.dataclass(frozen=True, eq=False)
class _Network:
    """One network that is to be trained, and the samples that it is to see."""

    position: int
    task: Task
    number: int
    """The position of the first network of the task."""
    seed: np.random.SeedSequence
    draws: np.random.SeedSequence
    """Seed of the batches: of the network itself, or of the first of its task."""
    kept: np.ndarray
    held_out: np.ndarray | None
    """Rows of the training samples to select the best step on; None: no selection, or on the test set."""
    on_test: bool
    batch_size: int


def _check(tasks: Sequence[Task], seeds: Sequence[RNG] | np.ndarray) -> None:
    from nngraph.datasets import Task

    if not isinstance(tasks, Sequence) or not all(isinstance(task, Task) for task in tasks):
        raise ArgumentError("tasks: got something else than tasks; expected a list of Task, one for each network.")
    if not isinstance(seeds, Sequence) or len(seeds) != len(tasks):
        got = len(seeds) if isinstance(seeds, Sequence) else type(seeds).__name__
        raise ArgumentError(f"seeds: got {got} for {len(tasks)} tasks; expected a list with one seed for each network.")
    if odd := [task for task in tasks if task.x_train.ndim != 2]:
        raise ArgumentError(
            f"task {odd[0].name!r}: got inputs of shape {odd[0].x_train.shape}; expected (n, d). Flatten them."
        )
    for task in {id(task): task for task in tasks}.values():
        if not len(task.y_train) or task.y_train.min() == task.y_train.max():
            raise ArgumentError(f"task {task.name!r}: got one class or none in y_train; expected two classes or more.")


def _networks(
    tasks: Sequence[Task], seeds: Sequence[np.random.SeedSequence], training: Training, *, shared: bool, on_test: bool
) -> list[_Network]:
    first: dict[int, int] = {}
    networks = []
    for position, (task, seed) in enumerate(zip(tasks, seeds, strict=True)):
        number = first.setdefault(id(task), position)
        draws = child(seeds[number] if shared else seed, "training")
        kept, held_out = np.arange(len(task.x_train)), None
        if training.select == "best" and not on_test:
            kept, held_out = split(task.y_train, 0.2, draws)
        size = training.samples_a_step(task)
        networks.append(_Network(position, task, number, seed, draws, kept, held_out, on_test, size))
    return networks


def _groups(
    networks: Sequence[_Network], training: Training, place: torch.device, *, shared: bool
) -> Iterator[list[_Network]]:
    """Yield the networks that are trained together: of one shape and number of steps, as many as fit."""

    def shape(network: _Network) -> tuple[int, ...]:
        task = network.number if shared else 0
        x = network.task.x_train
        return x.shape[1], network.task.n_classes, len(network.kept), network.batch_size, task

    alike: dict[tuple[int, ...], list[_Network]] = {}
    for network in networks:
        alike.setdefault(shape(network), []).append(network)
    for (n_inputs, n_classes, _, batch_size, _), group in alike.items():
        sizes = [n_inputs, *training.hidden, n_classes]
        n_parameters = sum(a * b + b for a, b in itertools.pairwise(sizes))
        floats = 4 * n_parameters + batch_size * (2 * sum(sizes[1:]) + (0 if shared else n_inputs))
        if place.type != "cpu" and not shared and group[0].held_out is not None:
            floats += len(group[0].held_out) * n_inputs
        most = max(_BYTES["cpu" if place.type == "cpu" else "cuda"] // (4 * floats), 1)
        group.sort(key=lambda network: network.number)  # runs of one task are gathered in one pass
        n_parts = math.ceil(len(group) / most)
        for part in range(n_parts):  # of about the same size
            yield group[part * len(group) // n_parts : (part + 1) * len(group) // n_parts]


def _epochs(
    groups: Sequence[list[_Network]], training: Training, order: Literal["own", "shared"], place: torch.device
) -> Iterator[tuple[list[_Network], list[Trained]]]:
    """Train group after group; yield after each epoch, with the trained networks after the last of the group."""
    for group in groups:
        started = time.perf_counter()
        models = [training.network(network.task, network.seed) for network in group]
        stack = Stack(models, training.activation, place)
        ordered = group[:1] if order == "shared" else group
        draws = [(network.kept, generator(child(network.draws, "batches"))) for network in ordered]
        run = Run(
            stack,
            list(_samples(group, place, shared=order == "shared")),
            lr=training.lr,
            epochs=training.epochs,
            batch_size=group[0].batch_size,
            every=training.every,
        )
        for epoch in range(training.epochs):
            rows = np.stack([kept[draw.permutation(len(kept))] for kept, draw in draws])
            finite = run.epoch(torch.from_numpy(rows).to(place))
            if not finite.all():
                network = group[int(np.argmin(finite))]
                raise ConvergenceError(
                    f"training: the loss of network {network.position} (task {network.task.name!r}) became NaN or "
                    f"infinite in epoch {epoch + 1} of {training.epochs}; lower lr={training.lr} or check the scale of "
                    "the inputs."
                )
            if epoch + 1 < training.epochs:
                yield group, []
        keep_best = training.select == "best" or group[0].on_test
        stack.copy_to(run.best if keep_best else stack.vector.detach(), models)
        losses, accuracies = run.losses, run.accuracies
        seconds = (time.perf_counter() - started) / len(group)
        yield (
            group,
            [
                Trained(
                    model,
                    int(run.best_step[i]) if keep_best else losses.shape[1],
                    losses.shape[1],
                    losses[i],
                    None if accuracies is None else accuracies[i],
                    seconds,
                    training.every,
                    order,
                )
                for i, model in enumerate(models)
            ],
        )


def _samples(group: Sequence[_Network], place: torch.device, *, shared: bool) -> Iterator[Samples]:
    """Yield what the networks of each task see, in the order of the group."""
    start = 0
    for _, same in itertools.groupby(group, key=lambda network: network.number):
        networks = list(same)
        task = networks[0].task
        x, y = _inputs(task.x_train, place), as_tensor(task.y_train).to(place)
        held_x, held_y = None, None
        if networks[0].on_test:
            held_x, held_y = _inputs(task.x_test, place), task.y_test
        elif (rows := networks[0].held_out) is not None:
            if not shared:
                rows = np.stack([network.held_out for network in networks if network.held_out is not None])
            held_x, held_y = x[torch.from_numpy(rows).to(place)], task.y_train[rows]
        yield Samples(slice(start, start + len(networks)), x, y, held_x, held_y)
        start += len(networks)


def _inputs(x: np.ndarray, place: torch.device) -> torch.Tensor:
    return as_tensor(x).to(place, torch.float32)
