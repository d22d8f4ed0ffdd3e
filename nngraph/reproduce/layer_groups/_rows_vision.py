"""Rows on the vision networks, stand-ins for ResNet9 on CIFAR-10: Figures 8 and 19."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nngraph._rng import child, generator, seed_sequence
from nngraph.errors import DatasetError
from nngraph.reproduce._claims import DATA, save
from nngraph.reproduce.layer_groups import vision, vision_maps, vision_page
from nngraph.reproduce.layer_groups._row_parts import judged_row, untestable_row
from nngraph.reproduce.layer_groups._rows_maps import blocks_in

if TYPE_CHECKING:
    import pandas as pd

    from nngraph.reproduce.ledger import Context, Row

__all__ = ["images"]

CLAIM = (
    "Figures 8, 19",
    "ResNet9 on CIFAR-10: the distance to the tap before jumps at 2.relu, 4.conv, 4.relu and 7.conv, the layers form 4 "
    "groups, a random network has none",
    "by eye; accuracy 91.63 %",
    "CIFAR-10 (cifar-10-python.tar.gz), and ResNet9 trained on it",
)
QUICK: dict[str, dict[str, Any]] = {"gw": {}, "cka": {}, "rsa": {}}
SIZES = {"quick": (100, 3), "full": (300, 5)}
"""Test images, and untrained twins."""


def images(context: Context) -> list[Row]:
    """Return the rows on the residual networks."""
    quick, name = context.scale == "quick", _network(context)
    n, n_twins = SIZES[context.scale]
    found = vision_maps.maps(
        name,
        n=n,
        n_twins=n_twins,
        measures=QUICK if quick else vision_maps.MEASURES,
        root=context.root,
        folder=context.folder / name,
        n_jobs=context.n_jobs,
    )
    noise = blocks_in(_of_noise(context, name, min(n, vision_maps.FEW["gw"])), squared=True)
    peaks = vision_maps.peaks(found)
    trained = peaks[(peaks["state"] == "trained") & (peaks["measure"] != "gw")]
    elsewhere = ", ".join(f"{r.measure} {r.hits} of {r.peaks}" for r in trained.itertuples())
    picture = save(vision_page.drawn(found, context.root)["steps"], context.folder / f"steps_{name}.png")
    grouped = found.grouped()
    record = vision.record(name)
    control = (
        f"images of noise through the same network: peaks at {', '.join(noise.peaks) or 'none'}; peaks at the "
        f"published taps, of all, by other measures: {elsewhere}",
        f"images of noise, contiguous groups: {noise.groups} (p {noise.p:.3f})",
        f"trained: contiguous groups {grouped.k} (p {grouped.p:.3f}), peaks at "
        f"{', '.join(found.boundaries().query('peak').index) or 'none'}",
    )
    # peaks on noise are not made by what the images show
    equalled = (
        set(vision_maps.JUMPS) <= set(noise.peaks),
        noise.groups == vision_maps.N_GROUPS,
        grouped.k == 1 and not found.boundaries()["peak"].any(),
    )
    accuracy, chance = (100 * record[name] for name in ("accuracy", "chance"))
    data = f"{DATA[record['data_set']]} (accuracy {accuracy:.1f} %, chance {chance:.0f} %)"
    rows = [
        judged_row(
            f"layer-groups-14{letter}",
            "Figures 8, 19, on a stand-in",
            judged,
            data,
            seeds=len(found.twins) if letter == "c" else 1,
            control=text,
            figure=picture,
            equalled=same,
        )
        for letter, judged, text, same in zip("abc", vision_maps.judgements(found), control, equalled, strict=True)
    ]
    return [untestable_row("layer-groups-14", CLAIM, "layer-groups-14a"), *rows]


def _network(context: Context) -> str:
    """Return the network whose images are there: Fashion-MNIST on request, or at full scale where its files are."""
    if context.data == "fashion-mnist":
        return "fashion-mnist"
    if context.scale == "full" and context.data is None:
        try:
            vision.data("fashion-mnist", root=context.root)
        except DatasetError:
            return "patches"
        return "fashion-mnist"
    return "patches"


def _of_noise(context: Context, name: str, n: int) -> pd.DataFrame:
    """Return the map of the trained network on images whose pixels are drawn from those of the test images."""
    from nngraph.reproduce.layer_groups._page import kept
    from nngraph.similarity import matrix, representations

    def mapped() -> pd.DataFrame:
        x = vision.data(name, root=context.root).x_test
        draw = generator(child(seed_sequence(context.rng), "noise"))
        noise = draw.choice(np.asarray(x).ravel(), size=(n, *x.shape[1:])).astype(np.float32)
        return matrix(representations(vision.load(name), noise, n=n, rng=0), "gw").rename_axis("tap").reset_index()

    return kept(context.folder / f"{name}_noise.csv", mapped).set_index("tap").astype(float)
