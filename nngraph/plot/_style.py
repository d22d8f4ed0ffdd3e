"""What the figures share: the colours of Okabe and Ito, sizes in points, and bare axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

BLUE, VERMILLION, GREEN, ORANGE, SKY, PURPLE = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7"
BLACK, GREY, PALE = "#000000", "#666666", "#B3B3B3"
TEXT, SMALL = 8.0, 7.0
LABELS = {
    "prune": "fraction of edges pruned, $p$",
    "noise": "amplitude of the noise, $a$",
    "flip": "fraction of signs flipped, $q$",
    "accuracy": "accuracy (%)",
    "recalibrated": "re-thresholded accuracy (%)",
    "auc": "area under the ROC curve (%)",
    "cross_entropy": "cross-entropy (nats)",
}
PERCENT = ("accuracy", "recalibrated", "auc")


def new_axes(ax: Axes | None, *, width: float = 3.6, height: float = 2.8) -> Axes:
    """Return the axes given, or those of a new figure, by default as wide as a column of a page, in inches."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    new: Axes = plt.subplots(figsize=(width, height), layout="constrained")[1]
    return new


def new_figure(fig: Figure | None, n_rows: int, n_columns: int, **options: Any) -> tuple[Figure, Any]:
    """Return the figure given, or a new one, with a grid of axes (rows, columns)."""
    if fig is None:
        import matplotlib.pyplot as plt

        fig = plt.figure()
    fig.set_size_inches(7.2, 0.75 + 1.95 * n_rows)
    fig.set_layout_engine("constrained", w_pad=0.05, h_pad=0.04)
    return fig, fig.subplots(n_rows, n_columns, squeeze=False, **options)


def dress(ax: Axes, *, x: str = "", y: str = "", title: str = "") -> Axes:
    """Set labels and sizes, and take away the frame's upper and right lines."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=SMALL, length=3)
    ax.set_xlabel(LABELS.get(x, x), fontsize=TEXT)
    ax.set_ylabel(y, fontsize=TEXT)
    if title:
        ax.set_title(title, fontsize=TEXT, loc="left")
    return ax


def legend_above(ax: Axes, *, last: Sequence[str]) -> None:
    """Put the legend in rows of three above the axes, where it hides nothing; some labels come last."""
    handles, names = ax.get_legend_handles_labels()
    found = dict(zip(names, handles, strict=True))
    labels = sorted(found, key=lambda label: label in last)
    ax.legend(
        [found[label] for label in labels],
        labels,
        frameon=False,
        fontsize=SMALL,
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=3,
        columnspacing=1.2,
        handletextpad=0.4,
    )


def letters(axes: Sequence[Axes]) -> None:
    """Name panels a, b, c."""
    for letter, ax in zip("abcdefghijklmnopqrstuvwxyz", axes, strict=False):
        ax.annotate(
            letter,
            xy=(0, 1),
            xycoords="axes fraction",
            xytext=(-20, 4),
            textcoords="offset points",
            fontsize=TEXT + 1,
            fontweight="bold",
            va="bottom",
        )


def ylabel(metric: str, *, fold: bool) -> str:
    """Return the label of the values; it says when they are folded."""
    return "accuracy, folded (%)" if fold and metric == "accuracy" else LABELS.get(metric, metric)


def scale(metric: str) -> float:
    """Return the factor from stored values to those drawn: shares are drawn in percent."""
    return 100.0 if metric in PERCENT else 1.0


def whole_numbers(axis: Axis) -> None:
    """Put ticks at integers alone."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator("auto", integer=True))


def band(ax: Axes, points: pd.DataFrame, factor: float, *, color: str, label: str, **line: Any) -> None:
    """Draw a median line with its quartile band."""
    x = points.index.to_numpy()
    ax.plot(x, factor * points["median"], color=color, label=label, **{"linewidth": 1.4, **line})
    ax.fill_between(x, factor * points["q25"], factor * points["q75"], color=color, alpha=0.15, linewidth=0)


def chance_line(ax: Axes, metric: str, chance: float) -> None:
    """Draw the accuracy of a constant answer, where the metric is an accuracy and it is known (no NaN)."""
    if metric in ("accuracy", "recalibrated") and chance == chance:
        ax.axhline(100 * chance, color=PALE, linestyle="--", linewidth=1, label="chance", zorder=0)


def percent_limits(ax: Axes, metric: str) -> None:
    """Let panels of shares run from below all that is drawn, bands and chance too, to 102 %, so that they compare."""
    if metric in PERCENT:
        ax.set_ylim(max(min(45.0, ax.dataLim.y0) - 2, -2), 102)
