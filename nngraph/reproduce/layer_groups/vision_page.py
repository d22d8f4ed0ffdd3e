"""The page on the vision networks: tables, figures and verdicts, all computed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nngraph.io._atomic import replacing
from nngraph.reproduce._tables import markdown
from nngraph.reproduce.layer_groups import vision, vision_maps

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["drawn", "run"]

COMMAND = "python -m nngraph.reproduce.layer_groups vision --out FOLDER"
INTRODUCTION = f"""# Layer groups of vision networks

What the paper (arXiv:2410.16484, Figures 8 and 19) says of a ResNet9 on CIFAR-10, asked of stand-ins: networks of the
same 27 taps with a quarter of its channels, on Fashion-MNIST and on colour patches. These are cut from the two
photographs that come with scikit-learn; a class is one of five horizontal bands of one of them, and patches for testing
share no pixel with those for training. No claim on CIFAR-10 itself is tested here, the accuracy of 91.63 % among them;
`nngraph.datasets.load("cifar-10", root=...)` reads its files where they are.

All of this page is made by `{COMMAND}`; no number is typed.
"""


def run(
    out: str | os.PathLike[str],
    *,
    names: Sequence[str] = tuple(vision.NETWORKS),
    n: int = 300,
    n_twins: int = 5,
    measures: Mapping[str, Mapping[str, Any]] = vision_maps.MEASURES,
    root: str | os.PathLike[str] | None = None,
    n_jobs: int = 1,
) -> pd.DataFrame:
    """Map the vision networks under every measure, judge the claims, and write the page with its tables and figures.

    Parameters
    ----------
    out : path
        Folder: maps of each network, claims.csv, peaks.csv, layer_groups_vision.md, and pictures. A run that was
        stopped goes on.
    names : sequence of str
        Which networks.
    n, n_twins, measures, root, n_jobs
        As for :func:`nngraph.reproduce.layer_groups.vision_maps.maps`.

    Returns
    -------
    pandas.DataFrame
        The claims, with a verdict for each network.

    Raises
    ------
    DatasetError
        If the files of Fashion-MNIST are not found.
    StudyError
        If the folder holds maps of other settings.
    """
    import pandas as pd

    folder = Path(out)
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    found = [
        vision_maps.maps(name, n=n, n_twins=n_twins, measures=measures, root=root, folder=folder / name, n_jobs=n_jobs)
        for name in names
    ]
    claims = pd.concat([vision_maps.claims(one) for one in found], ignore_index=True)
    peaks = pd.concat([vision_maps.peaks(one) for one in found], ignore_index=True)
    for label, table in (("claims", claims), ("peaks", peaks)):
        with replacing(folder / f"{label}.csv") as file:
            table.to_csv(file, index=False)
    sections = [INTRODUCTION, _networks(names), _claims(claims), _peaks(peaks, n)]
    for one in found:
        for kind, figure in drawn(one, root).items():
            with replacing(folder / "pictures" / f"layers_{kind}_{one.name}.png") as file:
                figure.savefig(file, format="png", dpi=110)
        sections.append(_pictures(one))
    with replacing(folder / "layer_groups_vision.md") as file:
        file.write("\n".join(sections).encode())
    return claims


def _networks(names: Sequence[str]) -> str:
    rows = []
    for name in names:
        r = vision.record(name)
        parameters = sum(p.numel() for p in vision.load(name).parameters())
        rows.append(
            [name, r["data_set"], f"{r['n_train']:,}", r["epochs"], f"{parameters:,}", r["cpu_seconds"]]
            + [f"{100 * r[key]:.2f}" for key in ("accuracy", "accuracy_float16", "chance")]
        )
    header = ["network", "data", "training images", "epochs", "parameters", "CPU seconds", "test accuracy (%)"]
    header += ["as kept, in float16 (%)", "chance (%)"]
    return "## Networks\n\n" + _markdown(header, rows)


def _claims(claims: pd.DataFrame) -> str:
    rows = [tuple(row) for row in claims[["network", "claim", "verdict", "found"]].to_numpy()]
    rules = claims.drop_duplicates("claim")
    text = "## Claims\n\n" + _markdown(("network", "claim", "verdict", "found"), rows) + "\nThe rules:\n\n"
    return text + "".join(f"- {row.claim[0].upper()}{row.claim[1:]}: {row.rule}.\n" for row in rules.itertuples())


def _peaks(peaks: pd.DataFrame, n: int) -> str:
    rows = [
        (r.network, r.measure, r.state, r.steps, r.peaks, r.hits, f"{r.p:.3f}", r.taps or "none")
        for r in peaks.itertuples()
    ]
    few = ", ".join(f"{m} on {size}" for measure, size in vision_maps.FEW.items() for m in [f"`{measure}`"])
    return (
        "## Steps that stand out, by measure\n\n"
        "A step is a peak where it is above the median of its measure by three standard deviations, estimated by the "
        f"median absolute deviation. Hits are peaks at {', '.join(vision_maps.JUMPS)}; p is the chance that as many "
        f"peaks at random places hit as many of them. {n} test images ({few}); `agw` sees the means of channels. Of "
        "`gw` the root is taken. Measures that compare dimension with dimension have a step only between taps of one "
        "width.\n\n" + _markdown(("network", "measure", "state", "steps", "peaks", "hits", "p", "peaks at"), rows)
    )


def _pictures(found: vision_maps.Maps) -> str:
    groups = found.grouped()
    members = "; ".join(f"{taps[0]} to {taps[-1]}" for taps in groups.members)
    return (
        f"## {found.name}\n\n"
        f"![feature maps and steps](pictures/layers_steps_{found.name}.png)\n\n"
        "One test image at each tap (the two channels that vary most), above the distance of the tap to the one before "
        "for each measure: narrow bars of the trained network (black: peaks), wide grey ones of its untrained twin. In "
        "this twin batch normalisation does nothing (its statistics are 0 and 1), so that its steps to a norm are 0; "
        "in the twins that boundaries are tested against it has the statistics of training images.\n\n"
        f"![maps](pictures/layers_maps_{found.name}.png)\n\n"
        "Maps of the trained network and of its untrained twin, each with colours of its own. Groups of `gw`, "
        f"trained: {members}.\n"
    )


def drawn(found: vision_maps.Maps, root: str | os.PathLike[str] | None) -> dict[str, Figure]:
    """Return the figure of the steps, and that of the maps."""
    from nngraph import plot

    image = vision.data(found.name, root=root).x_test[0]
    features = vision_maps.feature_maps(vision.load(found.name), image)
    steps = plot.feature_maps(features, found.steps(), found.steps(trained=False))
    tables = {}
    for measure in found.trained:
        for state, held in (("trained", found.trained), ("untrained", found.untrained)):
            D = held[measure]
            if D.notna().all(axis=None):
                tables[f"{measure}, {state}"] = D**0.5 if measure == "gw" else D
    maps = plot.maps(tables, {"gw, trained": found.grouped(), "gw, untrained": found.grouped(trained=False)}, columns=4)
    return {"steps": steps, "maps": maps}


def _markdown(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    return "".join(f"{line}\n" for line in markdown(header, rows))
