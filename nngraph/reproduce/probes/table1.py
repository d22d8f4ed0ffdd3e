"""Table 1: what each null model keeps, checked on the networks of a study."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from nngraph import nulls, ops
from nngraph._rng import child
from nngraph._units import Training
from nngraph.errors import NullModelWarning
from nngraph.reproduce.ledger import Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np

    from nngraph.graph import NeuralGraph
    from nngraph.studies import Study

__all__ = ["row"]

NETWORKS = 3
"""Of each task."""
FRACTION = 0.5


def row(study: Study, networks: Path, data: str) -> Row:
    """Draw every null model of trained networks, of pruned ones and of untrained ones; compare what they keep."""
    from nngraph.convert.torch import from_torch
    from nngraph.io.native import load

    units = [unit for unit in study._units() if unit.seed < NETWORKS]
    trained = [(unit.rng, load(networks / "networks" / f"{unit.name}.nngraph")) for unit in units]
    training = study._plan.network
    assert isinstance(training, Training)
    first = [(unit.rng, from_torch(training.network(unit.load(), child(unit.rng, "network")))) for unit in units]
    found = {
        "dense": _compared(trained),
        "pruned by half": _compared((seed, ops.prune(G, FRACTION)) for seed, G in trained),
        "untrained": _compared(first),
    }
    wrong = [f"{kind} of {name}: {text}" for name, kinds in found.items() for kind, text in kinds if text]
    n = sum(len(kinds) for kinds in found.values())
    n_less = sum("not kept" in text for text in wrong)
    return Row(
        key="probes-12",
        source="Table 1",
        statement="Each of A to G keeps exactly its sequences of signed degrees and strengths, and only B, E and F the "
        "sign of each edge (the published ticks for A, C and D in that column cannot be)",
        criterion="every draw keeps what its null model keeps, exactly; in part if that is so and some draw keeps more",
        authors="the table of ticks",
        measured=f"{n - len(wrong)} of {n} draws keep exactly what is said"
        + "".join(f"; {text}" for text in wrong[:3]),
        verdict="does not hold" if n_less else "holds in part" if wrong else "holds",
        data=data,
        seeds=len({unit.seed for unit in units}),
        value=100.0 * (n - len(wrong)) / n,
        control="exact, needs no control: a property of the null models, not of training (untrained twins: "
        f"{sum(not text for _, text in found['untrained'])} of {len(found['untrained'])} draws)",
    )


def _compared(graphs: Iterable[tuple[np.random.SeedSequence, NeuralGraph]]) -> list[tuple[str, str]]:
    return [pair for seed, G in graphs for pair in _kinds(seed, G)]


def _kinds(seed: np.random.SeedSequence, G: NeuralGraph) -> Iterator[tuple[str, str]]:
    for kind in "ABCDEFG":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NullModelWarning)  # a small block may leave a null model one state
            R = nulls.randomize(G, kind, rng=child(seed, "table 1", kind))
        there, said = nulls.shared(G, R), nulls.kept(kind)
        texts = [f"{', '.join(sorted(said - there))} not kept"] if said - there else []
        texts += [f"{', '.join(sorted(there - said))} kept too"] if there - said else []
        yield kind, " and ".join(texts)
