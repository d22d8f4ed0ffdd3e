"""All figures of a study."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from nngraph._tables import role, tasks_of
from nngraph.plot.curves import perturbations
from nngraph.plot.randomizations import pruned_randomizations, randomizations

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["study_figures"]

_SHOWN = 4  # tasks, where none is named easy or hard
_log = logging.getLogger("nngraph")


def study_figures(table: pd.DataFrame, *, fold: bool = False) -> dict[str, Figure]:
    """Draw the figures that the table of a study has rows for, by name; pyplot does not know of them.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :meth:`nngraph.Study.run`. Shown are its easy and its hard task, else its first four tasks.
    fold : bool
        Replace the accuracy a of two-class tasks by max(a, 1 - a) before the median, as published.

    Returns
    -------
    dict of str to matplotlib.figure.Figure
        Of "perturbations", "randomizations", "pruned_randomizations".
    """
    from matplotlib.figure import Figure

    valid = table[table["status"] == "ok"]
    accuracies = valid[valid["metric"] == "accuracy"]
    tasks = [task for task in (role(accuracies, "easy"), role(accuracies, "hard")) if task]
    if len(tasks) < 2:
        tasks = tasks_of(accuracies)[:_SHOWN]
        if accuracies["task"].nunique() > len(tasks):
            _log.warning("the figures show %d of %d tasks", len(tasks), accuracies["task"].nunique())
    accuracies = accuracies[accuracies["task"].isin(tasks)]
    of_nulls = accuracies["null"] != ""
    figures: dict[str, Figure] = {}
    if (accuracies[~of_nulls].groupby("operation")["parameter"].nunique() > 1).any():
        figures["perturbations"] = perturbations(valid, tasks, fold=fold, fig=Figure())
    for name, operation, draw in (
        ("randomizations", "none", randomizations),
        ("pruned_randomizations", "prune", pruned_randomizations),
    ):
        drawn = set(accuracies.loc[of_nulls & accuracies["operation"].eq(operation), "task"])
        if drawn:
            figures[name] = draw(valid, [task for task in tasks if task in drawn], fold=fold, fig=Figure())
    return figures
