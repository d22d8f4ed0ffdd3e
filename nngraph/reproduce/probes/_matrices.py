"""The six matrices of a transformer probed, and the main edits scored again sample by sample."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nngraph.io._atomic import replacing
from nngraph.reproduce.probes._cases import LABELS, Case

if TYPE_CHECKING:
    import pandas as pd

    from nngraph.graph import NeuralGraph

__all__ = ["FIRST", "GRIDS", "Measured", "measure"]

FIRST = 0.001
"""The smallest share pruned, the authors' "p = 0"."""
SHARES = (FIRST, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.99)
GRIDS: Mapping[str, Mapping[str, tuple[float, ...]]] = {
    "full": {
        "prune": (*SHARES, 1.0),
        "A": (FIRST, 0.3, 0.5, 0.9),
        "B": (FIRST, 0.3, 0.5, 0.9),
        "noise": (0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0),
        "flip": (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.86, 0.9, 0.95, 1.0),
    },
    "quick": {
        "prune": (FIRST, 0.1, 0.3, 0.5, 0.9, 0.99, 1.0),
        "A": (FIRST, 0.3, 0.5),
        "B": (FIRST, 0.3, 0.5),
        "noise": (0.01, 0.03, 0.1, 0.3, 1.0),
        "flip": (0.2, 0.4, 0.6, 0.8, 0.9, 1.0),
    },
}
RESAMPLES = 1000
CHANGES = ("untouched", "signed", "scaled", "removed", "twin")


@dataclasses.dataclass(frozen=True, eq=False)
class Measured:
    """What was measured on one transformer."""

    case: Case
    table: pd.DataFrame
    """Of :func:`nngraph.layer_robustness`, its matrices by label; noise and flips of one draw."""
    counts: Mapping[tuple[str, str], np.ndarray]
    """Counts by sample, by label and change (:data:`CHANGES`)."""
    resampled: np.ndarray
    """(resamples, n) numbers of samples."""

    @property
    def untouched(self) -> float:
        """The score of the model as it is."""
        return float(self.table.loc[self.table["matrix"] == "", "value"].iloc[0])

    def values(self, label: str, p: float, *, null: str = "", scale: str = "", probe: str = "prune") -> np.ndarray:
        """Return the scores of one edit, one for each draw."""
        t = self.table
        chosen = (t["matrix"] == label) & (t["probe"] == probe) & (t["parameter"] == p) & (t["null"] == null)
        found: np.ndarray = t.loc[chosen & (t["scale"] == scale), "value"].to_numpy(dtype=float)
        return found

    def value(self, label: str, p: float, **which: str) -> float:
        """Return the median score of one edit."""
        found = self.values(label, p, **which)
        return float(np.median(found)) if len(found) else float("nan")

    def curve(self, label: str, probe: str) -> pd.Series:
        """Return the median score by parameter of a matrix that is not signed."""
        t = self.table[(self.table["matrix"] == label) & (self.table["probe"] == probe)]
        found: Any = t[(t["null"] == "") & (t["form"] == "full")].groupby("parameter")["value"].median()
        return found

    def interval(self, label: str, change: str, *, lost: bool = False) -> tuple[float, float]:
        """Return the 95 % bootstrap interval over samples of a score, or of what it loses on the same samples."""
        counts, base = self.counts[label, change], self.counts[label, "untouched"]
        found = [
            self.case.value(base[rows]) - self.case.value(counts[rows]) if lost else self.case.value(counts[rows])
            for rows in self.resampled
        ]
        low, high = np.quantile(found, [0.025, 0.975])
        return float(low), float(high)


def measure(case: Case, folder: Path, *, scale: str, n_jobs: int, rng: int) -> Measured:
    """Probe the six matrices of a case; what is in the folder is not done again.

    Pruning, signs, A and B after pruning with five draws (three at quick scale), noise and flips with one draw.
    """
    import pandas as pd

    from nngraph._rng import child, generator, seed_sequence
    from nngraph.robustness import layer_robustness

    grid, draws = GRIDS[scale], 5 if scale == "full" else 3
    twin = untrained_twin_of(case.model, rng)
    tables = []
    for number, labels in enumerate(_together(case)):
        for part, names in (("pruned", ("prune", "A", "B")), ("shaken", ("flip", "noise"))):
            tables.append(
                layer_robustness(
                    case.model,
                    case.scores[labels[0]],
                    matrices=[case.matrices[label] for label in labels],
                    probes={name: grid[name] for name in names},
                    scales=(None, "mean_abs") if part == "pruned" else (),
                    draws=draws if part == "pruned" else 1,
                    twin=twin if part == "pruned" else None,
                    rng=rng,
                    folder=folder / f"{part}-{number}",
                    n_jobs=n_jobs,
                )
            )
    table = pd.concat([tables[0][:1], *(one[1:] for one in tables)], ignore_index=True)
    labels_of = {name: label for label, name in case.matrices.items()}
    table["matrix"] = table["matrix"].map(lambda name: labels_of.get(name, name))
    counts = _counts(case, twin, folder)
    n = len(counts[LABELS[0], "untouched"])
    draw = generator(child(seed_sequence(rng), "bootstrap"))
    return Measured(case, table, counts, draw.integers(n, size=(RESAMPLES, n)))


def untrained_twin_of(model: Any, rng: int) -> Any:
    """Return the untrained twin; its seed is not that by which the network of bytes began."""
    from nngraph._rng import child, seed_sequence
    from nngraph.twins import untrained_twin

    return untrained_twin(model, rng=child(seed_sequence(rng), "twin"))


def _together(case: Case) -> list[list[str]]:
    """Return the labels whose matrices share a score."""
    found: dict[int, list[str]] = {}
    for label in LABELS:
        found.setdefault(id(case.scores[label]), []).append(label)
    return list(found.values())


def _counts(case: Case, twin: Any, folder: Path) -> dict[tuple[str, str], np.ndarray]:
    """Return the counts by sample under the main changes of each matrix, kept in a file."""
    file = folder / "counts.npz"
    keys = [(label, change) for label in LABELS for change in CHANGES]
    if not file.exists():
        found: dict[str, Any] = {}
        for label in LABELS:
            for change, counts in _changed(case, twin, label).items():
                found[f"{label}|{change}"] = counts
        with replacing(file) as content:
            np.savez_compressed(content, **found)
    with np.load(file) as kept:
        return {key: kept["|".join(key)] for key in keys}


def _changed(case: Case, twin: Any, label: str) -> dict[str, np.ndarray]:
    import torch

    from nngraph import ops
    from nngraph._robustness_matrices import find_matrices, graph_of, matching
    from nngraph.convert.torch import applied

    ((name, weight),) = find_matrices(case.model, case.matrices[label]).items()
    G = graph_of(name, weight)
    pruned = ops.prune(G, FIRST)
    graphs: dict[str, NeuralGraph] = {
        "untouched": G,
        "signed": ops.binarize(pruned),
        "scaled": ops.binarize(pruned, scale="mean_abs"),
        "removed": ops.prune(G, 1.0),
        "twin": matching(twin, name, weight),
    }
    found = {}
    for change, H in graphs.items():
        with applied(H, case.model) as model, torch.no_grad():
            found[change] = case.scores[label].counts(model)
    return found
