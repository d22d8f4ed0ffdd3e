"""Neural capacitance over epochs, the accuracies told from it, and how they hang on what they are told from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nngraph import _arguments
from nngraph.errors import ArgumentError
from nngraph.plot import _style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from nngraph.dynamics import Ranking
    from nngraph.dynamics.prediction import Recorded

__all__ = ["capacitance_sensitivity", "capacitance_trajectories", "predicted_accuracies"]

LOOKS = {
    "beta_eff = 0": (_style.VERMILLION, "-", "o", r"ridge at $\beta_\mathrm{eff} = 0$"),
    "|beta_eff|": (_style.ORANGE, "-", "^", r"$-|\beta_\mathrm{eff}|$"),
    "last accuracy": (_style.BLUE, "--", "s", "last accuracy"),
    "best accuracy": (_style.SKY, ":", "v", "best accuracy"),
    "mean accuracy": (_style.PURPLE, "--", "P", "mean accuracy"),
    "last loss": (_style.GREEN, "-.", "D", "$-$ last loss"),
    "parameters": (_style.GREY, ":", "x", "parameters"),
}
X_LABELS = {"start": "first epoch", "stop": "last epoch that is seen", "n_train": "training samples"}


def capacitance_trajectories(
    trajectories: Mapping[str, Recorded],
    *,
    final: Mapping[str, float] | None = None,
    column: str = "beta_eff",
    smallest: float | None = 1e-3,
    ax: Axes | None = None,
) -> Axes:
    """Draw beta_eff of each model against the epoch; the axis is linear about 0 and logarithmic beyond.

    Parameters
    ----------
    trajectories : mapping of str to Trajectory or DataFrame
        Of each model.
    final : mapping of str to float, optional
        Final accuracies, in [0, 1], which then colour the lines.
    column : str
        What is drawn.
    smallest : float, optional
        Absolute value below which the axis is linear. None: absolute values are drawn, on a logarithmic axis.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ArgumentError
        If there is no trajectory, or one lacks the column or a final accuracy.

    Notes
    -----
    A value that is NaN leaves a gap.

    Examples
    --------
    >>> import pandas as pd
    >>> import nngraph as nng
    >>> table = pd.DataFrame({"epoch": [0, 1, 2], "beta_eff": [0.5, -0.1, 0.01], "accuracy": [0.1, 0.6, 0.7]})
    >>> ax = nng.plot.capacitance_trajectories({"a": table, "b": table}, final={"a": 0.7, "b": 0.8})
    >>> len(ax.lines)
    3
    """
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    from nngraph.dynamics.prediction import recorded

    if not isinstance(trajectories, Mapping):
        raise ArgumentError(
            f"trajectories: got {type(trajectories).__name__}; expected a mapping of names to trajectories, such as "
            "{'model': table}."
        )
    if not trajectories:
        raise ArgumentError("capacitance_trajectories: got no trajectory; expected at least one.")
    if smallest is not None:
        smallest = _arguments.number("smallest", smallest, "a positive number", lambda value: value > 0)
    tables = {name: recorded(one) for name, one in trajectories.items()}
    if missing := [name for name, table in tables.items() if column not in table]:
        raise ArgumentError(f"column: got {column!r}, which the trajectory of {missing[0]!r} lacks.")
    if final is not None and (missing := [name for name in tables if name not in final]):
        raise ArgumentError(f"final: got nothing for the model {missing[0]!r}; expected an accuracy of each.")
    ax = _style.new_axes(ax)
    colors: dict[str, Any] = dict.fromkeys(tables, _style.BLUE)
    shades = None
    if final is not None:
        reached = np.array([100 * final[name] for name in tables])
        shades = ScalarMappable(Normalize(reached.min(), reached.max()), colormaps["cividis"])
        colors = dict(zip(tables, shades.to_rgba(reached), strict=True))
    for name, table in tables.items():
        values = table[column] if smallest is not None else table[column].abs()
        ax.plot(table["epoch"], values, color=colors[name], linewidth=0.8, marker="o", markersize=1.8, label=name)
    if smallest is None:
        ax.set_yscale("log")
    else:
        ax.axhline(0, color=_style.BLACK, linewidth=0.6, zorder=0)
        ax.set_yscale("symlog", linthresh=smallest)
    if shades is not None:
        bar = ax.figure.colorbar(shades, ax=ax)
        bar.set_label("final accuracy (%)", fontsize=_style.TEXT)
        bar.ax.tick_params(labelsize=_style.SMALL)
    # a name of the user's own is no formula
    label = r"$\beta_\mathrm{eff}$" if column == "beta_eff" else column.replace("$", r"\$")
    return _style.dress(ax, x="epoch", y=label if smallest is not None else f"|{label}|")


def predicted_accuracies(ranking: Ranking, *, baseline: str = "last accuracy", ax: Axes | None = None) -> Axes:
    """Draw the accuracy told at beta_eff = 0, with its interval, and a baseline against the final accuracy.

    Parameters
    ----------
    ranking : Ranking
        Of :func:`nngraph.dynamics.rank_models`.
    baseline : "last accuracy" or "best accuracy"
        What is drawn beside it.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The dashed line is where prediction and truth agree.

    Raises
    ------
    ArgumentError
        If the baseline predicts no accuracy.

    Examples
    --------
    >>> import pandas as pd
    >>> import nngraph as nng
    >>> tables = {f"model {i}": pd.DataFrame({"epoch": [1, 2, 3], "beta_eff": [0.3, 0.2, 0.1],
    ...           "accuracy": [0.1 * i, 0.1 * i + 0.1, 0.1 * i + 0.2]}) for i in range(6)}
    >>> found = nng.dynamics.rank_models(tables, {name: 0.5 for name in tables}, stop=3, rng=0)
    >>> nng.plot.predicted_accuracies(found).get_xlabel()
    'final accuracy (%)'
    """
    from scipy.stats import norm

    _arguments.choice("baseline", baseline, ("last accuracy", "best accuracy"))
    if not hasattr(ranking, "models"):
        raise ArgumentError(f"ranking: got {type(ranking).__name__}; expected one of nngraph.dynamics.rank_models.")
    models = ranking.models
    ax = _style.new_axes(ax)
    final = 100 * models["final"]
    color, _, marker, label = LOOKS["beta_eff = 0"]
    half = 100 * norm.ppf(0.5 + ranking.level / 2) * models["sd"]
    told = 100 * models["beta_eff = 0"]
    ax.errorbar(final, told, yerr=half, fmt=marker, color=color, markersize=3, elinewidth=0.5, alpha=0.8, label=label)
    color, _, marker, label = LOOKS[baseline]
    ax.plot(final, 100 * models[baseline], marker, color=color, markersize=3, fillstyle="none", label=label)
    shown = np.concatenate([final, told.dropna(), 100 * models[baseline].dropna()])
    ends = (float(shown.min()) - 3, float(shown.max()) + 3)
    ax.plot(ends, ends, "--", color=_style.GREY, linewidth=0.8, label="equal", zorder=0)
    ax.set_xlim(ends)
    ax.set_ylim(ends)
    _legend_below(ax)
    title = f"epochs {ranking.start} to {ranking.stop}, {len(models)} models"
    return _style.dress(ax, x="final accuracy (%)", y="predicted accuracy (%)", title=title)


def _legend_below(ax: Axes) -> None:
    """Put the legend in one row below the label of the axis, as points may lie anywhere and a title above."""
    from matplotlib.transforms import ScaledTranslation

    below = ax.transAxes + ScaledTranslation(0, -26 / 72, ax.figure.dpi_scale_trans)
    ax.legend(
        frameon=False,
        fontsize=_style.SMALL,
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        bbox_transform=below,
        ncols=3,
        columnspacing=1.0,
        handletextpad=0.4,
    )


def capacitance_sensitivity(
    table: pd.DataFrame,
    *,
    x: Literal["start", "stop", "n_train"] = "stop",
    score: Literal["spearman", "kendall", "mae", "difference", "regret"] = "spearman",
    predictors: tuple[str, ...] = ("beta_eff = 0", "|beta_eff|", "last accuracy", "last loss"),
    ax: Axes | None = None,
) -> Axes:
    """Draw a score of predictors against the first or last epoch that is used, or the size of the training set.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`nngraph.dynamics.sensitivity`, with one row for each predictor and value of ``x``: choose the rows
        of one value of what else varies.
    x, score : str
        Columns.
    predictors : tuple of str
        Which of them.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Bars are intervals of the bootstrap over models; regret has none.

    Raises
    ------
    ArgumentError
        If a column or a predictor is missing, or a predictor has two rows for one value.

    Examples
    --------
    >>> import pandas as pd
    >>> import nngraph as nng
    >>> tables = {f"model {i}": pd.DataFrame({"epoch": range(5), "beta_eff": [0.5, 0.4, 0.3, 0.2, 0.1],
    ...           "accuracy": [0.1, 0.1 * i, 0.1 * i, 0.1 * i, 0.2 * i]}) for i in range(4)}
    >>> final = {name: 0.1 * i for i, name in enumerate(tables)}
    >>> found = nng.dynamics.sensitivity(tables, final, stops=(3, 4), n_boot=10, rng=0)
    >>> len(nng.plot.capacitance_sensitivity(found).get_legend().get_texts())
    4
    """
    _arguments.choice("score", score, ("spearman", "kendall", "mae", "difference", "regret"))
    if missing := [name for name in (x, score, "predictor") if name not in table]:
        raise ArgumentError(f"table: has no column {missing[0]!r}; expected one of nngraph.dynamics.sensitivity.")
    ax = _style.new_axes(ax)
    places = sorted(table[x].unique())
    for at, predictor in enumerate(predictors):
        rows = table[table["predictor"] == predictor].sort_values(x)
        if rows.empty or predictor not in LOOKS:
            raise ArgumentError(f"predictors: got {predictor!r}, of which the table has no row.")
        if rows[x].duplicated().any():
            raise ArgumentError(
                f"table: has several rows of {predictor!r} for one {x}; choose those of one value of what else varies."
            )
        color, style, marker, label = LOOKS[predictor]
        where = np.searchsorted(places, rows[x]) + 0.08 * (at - (len(predictors) - 1) / 2)
        values = rows[score].to_numpy()
        ax.plot(where, values, style, color=color, marker=marker, markersize=3, linewidth=1.2, label=label)
        if score != "regret":
            low, high = (rows[f"{score}_{end}"].to_numpy() for end in ("low", "high"))
            ax.vlines(where, low, high, color=color, linewidth=0.6)
    ax.set_xticks(range(len(places)), [f"{place:,}" for place in places])
    _style.legend_above(ax, last=())
    names = {"spearman": r"Spearman $\rho$", "kendall": r"Kendall $\tau_b$", "mae": "mean absolute error"}
    return _style.dress(ax, x=X_LABELS[x], y=names.get(score, score))
