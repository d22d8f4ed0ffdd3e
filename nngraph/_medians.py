"""Medians of an easy and a hard task in the table of a study, of all networks or of a resample of them."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


class Missing(Exception):
    """The table has no rows for what is asked."""


class Unlearned(Exception):
    """The full networks of a task are near chance, so that nothing can be lost or kept."""


_Cell: TypeAlias = "tuple[np.ndarray, np.ndarray]"


class Medians:
    """Medians in percent, of the easy and the hard task: over all of their networks, or over a resample of them."""

    def __init__(self, table: pd.DataFrame, names: dict[str, str]) -> None:
        self._rows: dict[str, tuple[pd.DataFrame, dict[tuple[str, ...], np.ndarray]]] = {}
        for task, name in names.items():
            rows = table[(table["task"] == name) & (table["status"] == "ok")]
            groups = rows.groupby(["operation", "form", "null", "metric"], observed=True)
            self._rows[task] = (rows, groups.indices)  # type: ignore[assignment]
        self._seeds = {task: np.unique(rows["seed"]) for task, (rows, _) in self._rows.items()}
        self._cells: dict[tuple[str, ...], _Cell] = {}
        self._chosen: dict[str, np.ndarray] = {}
        self._found: dict[tuple[str, ...], _Cell] = {}

    def resampled(self, rng: np.random.Generator) -> Medians:
        """Return the same for networks drawn with replacement."""
        other = copy.copy(self)  # shares the cells
        other._found = {}
        other._chosen = {task: rng.integers(len(seeds), size=len(seeds)) for task, seeds in self._seeds.items()}
        return other

    def _cell(self, *key: str) -> _Cell:
        """Return the parameters, and the values by seed, draw and parameter."""
        if key not in self._cells:
            task, *kind = key
            table, groups = self._rows[task]
            if tuple(kind) not in groups:
                raise Missing
            rows = table.iloc[groups[tuple(kind)]]
            grid, at = np.unique(rows["parameter"], return_inverse=True)
            seed = np.searchsorted(self._seeds[task], rows["seed"])
            values = np.full((len(self._seeds[task]), int(rows["draw"].max()) + 1, len(grid)), np.nan)
            values[seed, rows["draw"], at] = rows["value"]
            self._cells[key] = (grid, values)
        return self._cells[key]

    def _median(self, *key: str, fold: bool = False) -> _Cell:
        """Return the parameters, and the median of the chosen networks at each."""
        kept = (*key, "folded") if fold else key
        if kept not in self._found:
            grid, values = self._cell(*key)
            values = values[self._chosen[key[0]]] if key[0] in self._chosen else values
            flat = np.maximum(values, 1 - values) if fold else values
            flat = flat.reshape(-1, len(grid))
            missing = np.isnan(flat)
            if missing.any():
                there = ~missing.all(axis=0)
                grid, medians = grid[there], np.nanmedian(flat[:, there], axis=0)
            else:
                medians = np.median(flat, axis=0)
            if not len(grid):
                raise Missing
            self._found[kept] = (grid, 100 * medians)
        return self._found[kept]

    def _one(self, task: str, *key: str, fold: bool = False) -> float:
        self.check_learned(task)
        return float(self._median(task, "none", *key, fold=fold)[1][0])

    def check_learned(self, task: str) -> None:
        """Raise unless the networks of a task have learned it: 20 points above chance, or half of the way."""
        full = self._median(task, "none", "full", "", "accuracy")[1][0]
        chance = self._median(task, "none", "full", "", "chance")[1][0]
        if full < chance + min(20, (100 - chance) / 2):
            raise Unlearned(
                f"the full {task} network is at {full:.1f} (chance {chance:.1f}): it has not learned the task"
            )

    def curve(self, task: str, operation: str, form: str = "full", null: str = "") -> pd.Series:
        """Return the medians along the grid of an operation."""
        import pandas as pd

        self.check_learned(task)
        grid, medians = self._median(task, operation, form, null, "accuracy")
        return pd.Series(medians, index=grid)

    def at(self, task: str, form: str = "full", *, null: str = "", metric: str = "accuracy") -> float:
        """Return the median of the networks as they are, or of a null model of them."""
        return self._one(task, form, null, metric)

    def folded(self, task: str, null: str) -> float:
        """Return the median of a null model, accuracies a of each draw as max(a, 1 - a)."""
        return self._one(task, "full", null, "accuracy", fold=True)

    def chance(self, task: str) -> float:
        """Return the accuracy of a constant answer."""
        return self._one(task, "full", "", "chance")

    def sigma(self, task: str) -> float:
        """Return the standard deviation of the weights."""
        return self._one(task, "full", "", "sigma_w") / 100

    def flipped(self, task: str, amplitude: float) -> float:
        """Return the share of signs that noise of this amplitude flips."""
        self.check_learned(task)
        grid, medians = self._median(task, "noise", "full", "", "flipped")
        at = np.flatnonzero(grid == amplitude)
        return float(medians[at[0]]) / 100 if len(at) else float("nan")
