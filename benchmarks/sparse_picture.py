"""The picture of sparse training in the README, from stored runs: ``python -m benchmarks.sparse_picture``."""

from __future__ import annotations

from pathlib import Path

import nngraph as nng
from nngraph.io._atomic import replacing
from nngraph.reproduce.capacitance import claims, runs
from nngraph.reproduce.sparse_evolution.degrees import Record

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "pictures" / "sparse_training.png"


def main() -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    record = Record.load()
    plt.rcParams["font.size"] = 8
    figure, axes = plt.subplots(1, 4, figsize=(11, 2.9), width_ratios=[0.9, 0.9, 1.1, 1.5], layout="constrained")
    _pixels(record, axes[:2])
    _tails(record, axes[2])
    _ranks(axes[3])
    with replacing(PICTURE) as file:
        figure.savefig(file, format="png", dpi=110)


def _pixels(record: Record, axes: list[object]) -> None:
    degrees = record.degrees["core", 0, "source"]
    for ax, k, title in zip(
        axes, (degrees[0], degrees[-1]), ("edges of each pixel: start", "after evolution"), strict=True
    ):
        image = ax.imshow(k.reshape(28, 28), cmap="cividis", vmin=0, vmax=degrees.max())
        ax.set_title(title, fontsize=9, loc="left")
        ax.set_axis_off()
    axes[1].figure.colorbar(image, ax=list(axes), shrink=0.7)


def _tails(record: Record, ax: object) -> None:
    import numpy as np
    from scipy.stats import binom

    series = record.degrees["regrown", 0, "target"]
    n = record.degrees["regrown", 0, "source"].shape[1]
    for k, color, label in (
        (series[0], "#666666", "start"),
        (series[-1], "#D55E00", f"{record.rewirings[-1]} rewirings"),
    ):
        values = np.unique(k)
        ax.plot(values, [(k >= value).mean() for value in values], "o", color=color, markersize=2.5, label=label)
    grid = np.arange(1, series[-1].max() + 1)
    ax.plot(grid, binom.sf(grid - 1, n, series[0].mean() / n), color="#666666", linewidth=1, label="binomial")
    ax.set(
        xscale="log",
        yscale="log",
        ylim=(0.5 / len(series[0]), 1.5),
        xlabel="in-degree k of hidden neurons",
        ylabel="P(K ≥ k)",
    )
    verdict = nng.stats.fit_tail(series[-1], n_opposite=n, rng=0).verdict
    ax.set_title(f"degrees: {verdict}", fontsize=9, loc="left")
    ax.legend(frameon=False, fontsize=7, loc="lower left")
    ax.spines[["top", "right"]].set_visible(False)


def _ranks(ax: object) -> None:
    study = claims.Study(*runs.stored(), n_boot=500)
    early = {key[:2]: found for key, found in study.rankings.items() if key[2] == claims.STOP}
    for place, found in enumerate(early.values()):
        row = found.scores.set_index("predictor").loc["beta_eff = 0"]
        ax.plot([row["difference_low"], row["difference_high"]], [-place] * 2, color="#0072B2", linewidth=1.2)
        ax.plot(row["difference"], -place, "o", color="#0072B2", markersize=5)
    ax.axvline(0, color="#666666", linewidth=0.8, linestyle="--")
    ax.set_yticks([-place for place in range(len(early))], [", ".join(key) for key in early], fontsize=7)
    ax.set_xlabel("rank correlation, less that of the last accuracy", fontsize=8)
    ax.set_title("accuracy told from beta_eff", fontsize=9, loc="left")
    ax.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    main()
