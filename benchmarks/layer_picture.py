"""The picture of layer groups in the README: ``python -m benchmarks.layer_picture``, a minute of CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import nngraph as nng
from nngraph.io._atomic import replacing
from nngraph.reproduce.layer_groups import modular

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "pictures" / "layer_groups.png"
N = 100
"""Pairs of numbers that every tap sees."""


def main() -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    models = [modular.load("E"), *(modular.network("E", rng=seed).eval() for seed in range(3))]
    reps = [nng.similarity.representations(model, modular.pairs(), n=N, rng=0) for model in models]
    D, *twins = [nng.similarity.gromov_map(one).root for one in reps]
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.2), width_ratios=[1, 1, 1.9], layout="constrained")
    top = float(np.quantile([D, twins[0]], 0.85))
    for ax, one, title in zip(axes, (D, twins[0]), ("trained", "untrained"), strict=False):
        nng.plot.layer_map(one, nng.similarity.groups(one, squared=False), label="Gromov-Wasserstein distance", ax=ax)
        ax.images[0].set_clim(0, top)
        ax.set_title(title, fontsize=9, loc="left")
    nng.plot.boundaries(nng.similarity.boundaries(D, twins, squared=False), ax=axes[2])
    with replacing(PICTURE) as file:
        figure.savefig(file, format="png", dpi=130)


if __name__ == "__main__":
    main()
