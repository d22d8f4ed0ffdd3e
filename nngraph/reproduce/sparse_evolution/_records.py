"""Networks that evolve for long, and the degrees that they had on the way."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from torch import nn

from nngraph._progress import progress
from nngraph._rng import child, generator, seed_sequence
from nngraph.io._atomic import replacing
from nngraph.reproduce.sparse_evolution import _networks, _perceptrons
from nngraph.reproduce.sparse_evolution._networks import Samples
from nngraph.reproduce.sparse_evolution._perceptrons import Settings
from nngraph.sparse import SET, rewire

if TYPE_CHECKING:
    from nngraph.graph import NeuralGraph

__all__ = ["EPSILON", "FOLDER", "RATE", "Record", "evolve", "node_blind", "snapshots"]

EPSILON = 13.0
RATE = 0.05
"""Constant; times 100 steps it is as far as the published 0.01 times 500 steps."""
FOLDER = Path(__file__).parent


Supports = dict[str, list[np.ndarray]]
"""By graph: the masks of the hidden layers."""


@dataclasses.dataclass(frozen=True, eq=False)
class Record:
    """The degrees of one evolving network at some of its rewirings."""

    rewirings: np.ndarray
    """(n_snapshots,) numbers of rewirings; 0 is the start."""
    pixel_variance: np.ndarray
    """(784,) variance of each pixel over the training images."""
    degrees: dict[tuple[str, int, str], np.ndarray]
    """By graph ("core": after removal; "regrown"), block and side: (n_snapshots, n_nodes)."""

    @classmethod
    def load(cls, file: str | os.PathLike[str] = FOLDER / "degrees_zero.npz") -> Record:
        """Read a record, by default the one that comes with the package: edges that regrow at 0.

        Examples
        --------
        >>> record = Record.load()
        >>> record.degrees["core", 0, "source"].shape == (len(record.rewirings), 784)
        True
        """
        with np.load(file) as arrays:
            keys = [key for key in arrays.files if "/" in key]
            names = [key.split("/") for key in keys]
            degrees = {(graph, int(b), side): arrays[f"{graph}/{b}/{side}"].astype(int) for graph, b, side in names}
            return cls(arrays["rewirings"], arrays["pixel_variance"], degrees)

    def save(self, file: str | os.PathLike[str]) -> None:
        """Write the record as a compressed file of arrays."""
        arrays = {"/".join(map(str, key)): k.astype(np.uint16) for key, k in self.degrees.items()}
        arrays |= {"rewirings": self.rewirings, "pixel_variance": self.pixel_variance.astype(np.float32)}
        with replacing(file) as content:
            np.savez_compressed(content, allow_pickle=False, **arrays)


def snapshots(last: int, n: int = 16) -> list[int]:
    """Return rewirings evenly spaced in logarithm, from 0 (the start) and 1 to the last."""
    return [0, *np.unique(np.geomspace(1, last, n).round().astype(int)).tolist()]


def evolve(kind: str, settings: Settings, samples: Samples, *, epsilon: float = EPSILON) -> Record:
    """Evolve a network of a kind on training samples, and return its degrees; arguments as for :func:`.degrees.run`."""
    variance = samples[0].double().var(dim=0).numpy()
    n_classes = int(samples[1].max()) + 1
    if kind == "blind":
        return node_blind(settings, variance, n_classes=n_classes, epsilon=epsilon)
    wanted, seed, widths, masks = _start(settings, len(variance), n_classes, epsilon)
    model = _perceptrons.network(widths, seed, masks)
    regrow = "normal" if kind == "normal" else 0
    evo = _perceptrons.evolution("SET, every epoch", model, masks, settings, seed, regrow=regrow)
    return _recorded(_trained(model, evo, settings, samples, wanted, seed), wanted, variance)


def node_blind(settings: Settings, variance: np.ndarray, *, n_classes: int = 10, epsilon: float = EPSILON) -> Record:
    """Rewire the supports that networks of these settings start from as often, on weights that know nothing of nodes.

    Parameters
    ----------
    settings : Settings
        Widths, number of rewirings and seed.
    variance : (n_pixels,) array
        Of the pixels, kept in the record.
    n_classes : int
        Width of the last layer.
    epsilon : float
        Of the initial supports.
    """
    wanted, seed, _, masks = _start(settings, len(variance), n_classes, epsilon)
    return _recorded(_blind(list(masks.values()), settings, wanted, seed), wanted, variance)


def _start(
    settings: Settings, n_pixels: int, n_classes: int, epsilon: float
) -> tuple[list[int], np.random.SeedSequence, list[int], dict[str, np.ndarray]]:
    """Return the rewirings to record, the seed, all widths, and the initial supports."""
    seed = child(seed_sequence(settings.seed), "degrees")
    widths = [n_pixels, *settings.hidden, n_classes]
    masks = _perceptrons.initial_masks(widths, epsilon, seed)
    return snapshots(settings.epochs - 1), seed, widths, masks


def _recorded(evolved: Iterator[Supports], wanted: Sequence[int], variance: np.ndarray) -> Record:
    """Return the degrees of supports."""
    found: dict[tuple[str, int, str], list[np.ndarray]] = {}
    for graphs in evolved:
        for graph, supports in graphs.items():
            for block, mask in enumerate(supports):
                for side, axis in (("source", 0), ("target", 1)):
                    found.setdefault((graph, block, side), []).append(mask.sum(axis=axis))
    return Record(np.array(wanted), variance, {key: np.stack(rows) for key, rows in found.items()})


def _trained(
    model: nn.Module,
    evo: SET,
    settings: Settings,
    samples: Samples,
    wanted: Sequence[int],
    seed: np.random.SeedSequence,
) -> Iterator[Supports]:
    """Train, and yield the supports on the two sides of the wanted rewirings; 0 is the start."""
    for epoch, _ in _networks.fit(
        model,
        samples,
        settings.training,
        rate=RATE,
        seed=seed,
        evo=evo,
        every_epoch=True,
        schedule=lambda share: 1.0,
    ):
        # fit rewires after it yields: what is seen in an epoch is the rewiring that ended the one before
        if epoch - 1 in wanted:
            yield {"core": _supports(evo.core()), "regrown": _supports(evo.graph())}


def _blind(
    masks: list[np.ndarray], settings: Settings, wanted: Sequence[int], seed: np.random.SeedSequence
) -> Iterator[Supports]:
    """Rewire supports as often, on weights that are new each time."""
    yield {"core": masks, "regrown": masks}
    for rewiring in progress(range(1, settings.epochs), total=settings.epochs - 1, label="node-blind"):
        draw = generator(child(seed, "blind weights", rewiring))
        steps = [
            rewire(
                draw.standard_normal(mask.shape, dtype=np.float32),
                mask,
                zeta=settings.zeta,
                rng=child(seed, "blind rewiring", rewiring, layer),
            )
            for layer, mask in enumerate(masks)
        ]
        masks = [step.mask for step in steps]
        if rewiring in wanted:
            yield {"core": [step.core for step in steps], "regrown": masks}


def _supports(G: NeuralGraph) -> list[np.ndarray]:
    """Return the supports of all blocks but the last, which is complete."""
    return [np.ones(block.shape, dtype=bool) if block.mask is None else block.mask for block in G.blocks[:-1]]
