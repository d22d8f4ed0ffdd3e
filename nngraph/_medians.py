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

    def resampled(self, rng: np.random.Generator) -> Medians:
        """Return the same for networks drawn with replacement."""
        other = copy.copy(self)  # shares the cells
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

    def _median(self, *key: str, fold: bool = False) -> pd.Series:
        import pandas as pd

        grid, values = self._cell(*key)
        task = key[0]
        if task in self._chosen:
            values = values[self._chosen[task]]
        values = np.maximum(values, 1 - values) if fold else values
        flat = values.reshape(-1, len(grid))
        missing = np.isnan(flat)
        there = ~missing.all(axis=0)
        medians = np.median(flat, axis=0) if not missing.any() else np.nanmedian(flat[:, there], axis=0)
        if not there.any():
            raise Missing
        return pd.Series(medians, index=grid if not missing.any() else grid[there])

    def learned(self, task: str) -> str:
        """Return the task if its networks have learned it: 20 points above chance, or half of the way."""
        full = 100 * self._median(task, "none", "full", "", "accuracy").iloc[0]
        chance = self._described(task, "chance") * 100
        if full < chance + min(20, (100 - chance) / 2):
            raise Unlearned(
                f"the full {task} network is at {full:.1f} (chance {chance:.1f}): it has not learned the task"
            )
        return task

    def curve(self, task: str, operation: str, form: str = "full", null: str = "") -> pd.Series:
        return 100 * self._median(self.learned(task), operation, form, null, "accuracy")

    def at(self, task: str, form: str = "full", *, null: str = "", metric: str = "accuracy") -> float:
        return 100 * float(self._median(self.learned(task), "none", form, null, metric).iloc[0])

    def folded(self, task: str, null: str) -> float:
        return 100 * float(self._median(self.learned(task), "none", "full", null, "accuracy", fold=True).iloc[0])

    def chance(self, task: str) -> float:
        return 100 * self._described(self.learned(task), "chance")

    def sigma(self, task: str) -> float:
        return self._described(self.learned(task), "sigma_w")

    def _described(self, task: str, metric: str) -> float:
        return float(self._median(task, "none", "full", "", metric).iloc[0])

    def flipped(self, task: str, amplitude: float) -> float:
        return float(self._median(self.learned(task), "noise", "full", "", "flipped").get(amplitude, np.nan))
