"""Maps of the vision networks under every measure, trained and untrained, and what they say of the published claims."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nngraph._folders import digest_of, opened
from nngraph._progress import progress
from nngraph._rng import child, seed_sequence
from nngraph.io._atomic import replacing
from nngraph.models import ResNet9
from nngraph.reproduce.layer_groups import vision
from nngraph.reproduce.layer_groups.judgements import Judgement
from nngraph.twins import untrained_twin

if TYPE_CHECKING:
    import pandas as pd

    from nngraph.similarity import Groups

__all__ = ["JUMPS", "Maps", "claims", "feature_maps", "judgements", "maps", "peaks"]

JUMPS = ("2.relu", "4.conv", "4.relu", "7.conv")
"""The taps at which the paper sees the distance to the tap before jump, in Figure 8."""
N_GROUPS = 4
"""The number of groups that the paper sees."""
MEASURES: dict[str, dict[str, Any]] = {
    "gw": {},
    "cka": {},
    "rsa": {},
    "rsm": {},
    "cca": {"components": 40},
    "svcca": {"components": 40},
    "pwcca": {"components": 40},
    "procrustes": {},
    "msid": {},
    "agw": {},
    "euclidean": {},
    "cosine": {},
    "mutual_information": {},
    "wasserstein": {},
}
"""Options by measure: canonical correlations are of the first 40 principal components, a seventh of the samples."""
FEW = {"gw": 200, "agw": 100, "wasserstein": 200}
"""Samples of the measures that solve transport problems, at most."""


@dataclasses.dataclass(frozen=True, eq=False)
class Maps:
    """All maps of one network, of its untrained twin, and of further twins for the null of boundaries."""

    name: str
    trained: Mapping[str, pd.DataFrame]
    untrained: Mapping[str, pd.DataFrame]
    twins: tuple[pd.DataFrame, ...]
    """Of "gw": untrained networks with the statistics of training images in their batch normalisation."""

    def grouped(self, measure: str = "gw", *, trained: bool = True, **options: Any) -> Groups:
        """Return the groups of a map; k is found, and tested where the groups are contiguous."""
        from nngraph.similarity import groups

        D = (self.trained if trained else self.untrained)[measure]
        return groups(D, squared=measure == "gw", **options)

    def boundaries(self, *, trained: bool = True) -> pd.DataFrame:
        """Return the steps of "gw", of the trained network against all twins, of the untrained one against nothing."""
        from nngraph.similarity import boundaries

        if trained:
            return boundaries(self.trained["gw"], list(self.twins), squared=True)
        return boundaries(self.untrained["gw"], squared=True)

    def steps(self, *, trained: bool = True) -> pd.DataFrame:
        """Return the distance of each tap to the one before, a column for each measure; of "gw" the root."""
        import pandas as pd

        tables = self.trained if trained else self.untrained
        columns = {
            measure: np.diag(D**0.5 if measure == "gw" else D, 1) for measure, D in tables.items()
        }  # fmt: skip
        return pd.DataFrame(columns, index=next(iter(tables.values())).index[1:])


def maps(
    name: str,
    *,
    n: int = 300,
    n_twins: int = 5,
    measures: Mapping[str, Mapping[str, Any]] = MEASURES,
    root: str | os.PathLike[str] | None = None,
    folder: str | os.PathLike[str] | None = None,
    n_jobs: int = 1,
) -> Maps:
    """Map a network and its untrained twin under every measure, on the same test images.

    Parameters
    ----------
    name : "fashion-mnist" or "patches"
        Which network.
    n : int
        Number of test images; fewer for the measures of ``FEW``.
    n_twins : int
        Untrained twins for the null of boundaries, of other seeds.
    measures : mapping
        Options by measure; "gw" has to be among them.
    root : path, optional
        Folder of the files of Fashion-MNIST.
    folder : path, optional
        Keeps each map as a CSV file, so that a run that was stopped goes on.
    n_jobs : int
        Processes for "gw".

    Returns
    -------
    Maps

    Raises
    ------
    DatasetError
        If the files of Fashion-MNIST are not found.
    StudyError
        If the folder holds maps of other settings.

    Notes
    -----
    In the untrained twin of the same seed batch normalisation does nothing: its statistics are 0 and 1, as torch starts
    them. Those of the twins for the null of boundaries are of training images, so that a step to a norm is not 0 by
    construction. The 27 taps are flattened. "agw" couples features too, by a linear program over pairs of them, and
    gets the means of channels instead. Measures that compare dimension with dimension are defined between taps of one
    width alone; elsewhere their maps are NaN.
    """
    task, network = vision.data(name, root=root), vision.NETWORKS[name]
    kept = None if folder is None else Path(folder)
    if kept is not None:
        weights = digest_of(vision.load(name), vision.load(name, trained=False))
        opened(
            kept,
            {"network": name, **network._asdict(), "weights": weights, "n": n, "measures": {**measures}, "few": FEW},
        )
    found: dict[str, dict[str, pd.DataFrame]] = {"trained": {}, "untrained": {}}
    jobs = [(state, measure) for measure in measures for state in found]
    for state, measure in progress(jobs, total=len(jobs), label=name):
        model = vision.load(name, trained=state == "trained")
        found[state][measure] = _map(
            model,
            task.x_test,
            measure,
            min(n, FEW.get(measure, n)),
            {**measures[measure]},
            n_jobs,
            kept,
            f"{measure}-{state}",
        )
    twins = []
    for i in range(n_twins):  # neighbours in depth are solved in a screened map too
        twin = untrained_twin(vision.load(name), task.x_train, rng=child(seed_sequence(network.seed), "twin", i))
        options = {**measures["gw"], "exact": False}
        twins.append(_map(twin, task.x_test, "gw", min(n, FEW["gw"]), options, n_jobs, kept, f"gw-twin{i}"))
    return Maps(name, found["trained"], found["untrained"], tuple(twins))


def feature_maps(model: ResNet9, image: np.ndarray) -> dict[str, np.ndarray]:
    """Return what one (channels, height, width) image becomes at the 27 taps, with its own channels and places."""
    found: dict[str, np.ndarray] = {}

    def keep(tap: str) -> Any:
        def hook(_module: torch.nn.Module, _inputs: object, output: torch.Tensor) -> None:
            found[tap] = output[0].numpy().copy()

        return hook

    modules = {f"{i}.{part}": module for i, unit in enumerate(model.units) for part, module in unit.named_children()}
    modules["8.linear"] = model.linear
    handles = [module.register_forward_hook(keep(tap)) for tap, module in modules.items()]
    try:
        with torch.inference_mode():
            model(torch.from_numpy(np.array(image[None], dtype=np.float32)))
    finally:
        for handle in handles:
            handle.remove()
    return found


def peaks(found: Maps) -> pd.DataFrame:
    """Return, for each measure, how many steps are peaks, and how many of them are where the paper sees jumps.

    A step is a peak where it is above the median of the steps of its measure by more than 3 standard deviations,
    estimated by the median absolute deviation, as in :func:`nngraph.similarity.boundaries`. p is the chance that as
    many peaks at random places hit as many of the published places.

    Parameters
    ----------
    found : Maps
        Of one network.

    Returns
    -------
    pandas.DataFrame
        network, measure, state, steps, peaks, hits, p, taps (the peaks).
    """
    import pandas as pd
    from scipy.stats import hypergeom

    from nngraph.similarity.changes import TO_SD

    rows = []
    for state in ("trained", "untrained"):
        steps = found.steps(trained=state == "trained")
        for measure in steps:
            known = steps[measure].dropna()
            middle = known.median()
            at = known.index[known > middle + 3 * TO_SD * (known - middle).abs().median()]
            possible, hits = known.index.isin(JUMPS).sum(), int(at.isin(JUMPS).sum())
            p = float(hypergeom.sf(hits - 1, len(known), possible, len(at)))
            rows.append((found.name, measure, state, len(known), len(at), hits, p, " ".join(at)))
    return pd.DataFrame(rows, columns=["network", "measure", "state", "steps", "peaks", "hits", "p", "taps"])


def claims(found: Maps) -> pd.DataFrame:
    """Return a verdict for each claim of the paper on its residual network, by a rule.

    Parameters
    ----------
    found : Maps
        Of one network.

    Returns
    -------
    pandas.DataFrame
        network, claim, verdict ("holds", "holds in part" or "does not hold"), rule, found.
    """
    import pandas as pd

    return pd.DataFrame(
        [(found.name, one.claim, one.verdict, one.rule, one.here) for one in judgements(found)],
        columns=["network", "claim", "verdict", "rule", "found"],
    )


def judgements(found: Maps) -> list[Judgement]:
    """Judge jumps, groups, and what the untrained network has of both."""
    return [_jumps(found), _groups(found), _untrained(found)]


def _verdict(*, whole: bool, part: bool) -> str:
    return "holds" if whole else "holds in part" if part else "does not hold"


def _jumps(found: Maps) -> Judgement:
    steps = found.boundaries()
    at = steps.loc[list(JUMPS)]
    peaks_there, made = list(at.index[at["peak"]]), list(at.index[at["boundary"]])
    elsewhere = [tap for tap in steps.index[steps["peak"]] if tap not in JUMPS]
    ranks = steps["distance"].rank(ascending=False).astype(int)
    return Judgement(
        f"the distance to the tap before jumps at {', '.join(JUMPS)}",
        "by eye, ResNet9 on CIFAR-10 (91.63 %)",
        "holds if the root of GW peaks at all four and training made each peak (larger than in the untrained twins, "
        "p adjusted <= 0.05); in part if at one",
        f"they rank {', '.join(str(ranks[tap]) for tap in JUMPS)} of {len(steps)}; peaks there: "
        f"{', '.join(peaks_there) or 'none'}; made by training: {', '.join(made) or 'none'}; peaks "
        f"elsewhere: {', '.join(elsewhere) or 'none'}",
        _verdict(whole=len(made) == len(JUMPS), part=bool(made)),
    )


def _groups(found: Maps) -> Judgement:
    runs, spectral = found.grouped(), found.grouped(method="spectral")
    best = int(runs.curve["silhouette"].idxmax())
    return Judgement(
        f"the layers form {N_GROUPS} groups",
        "by eye",
        f"holds if the contiguous groups are {N_GROUPS} and more than a drift; in part if the largest silhouette, not "
        "tested, of contiguous or of spectral groups is there",
        f"contiguous {runs.k} (largest silhouette at {best}, {runs.curve['silhouette'].max():.2f}, p = {runs.p:.3f}); "
        f"spectral {spectral.k} (silhouette {spectral.silhouette:.2f})",
        _verdict(whole=runs.k == N_GROUPS, part=N_GROUPS in (best, spectral.k)),
    )


def _untrained(found: Maps) -> Judgement:
    from nngraph.similarity import boundaries, groups

    runs = [groups(D, squared=True) for D in found.twins]
    series = [boundaries(D, squared=True)["peak"] for D in found.twins]
    at = [", ".join(peak.index[peak]) or "none" for peak in series]
    grouped, jumps = any(one.k > 1 for one in runs), any(peak.any() for peak in series)
    shown = "; ".join(
        f"{one.k} group{'s' if one.k > 1 else ''} (p = {one.p:.3f}), peaks: {where}"
        for one, where in zip(runs, at, strict=True)
    )
    return Judgement(
        "the untrained network has neither jumps nor groups",
        "by eye",
        "holds if no untrained twin, its batch normalisation at work on the statistics of training images, has a peak "
        "or more than one group (more than a drift); in part if none has the one or none the other",
        f"{len(runs)} twins: {shown}",
        _verdict(whole=not grouped and not jumps, part=not grouped or not jumps),
    )


def _map(
    model: ResNet9,
    images: np.ndarray,
    measure: str,
    n: int,
    options: dict[str, Any],
    n_jobs: int,
    kept: Path | None,
    label: str,
) -> pd.DataFrame:
    """Return one map, from its file where it has been made."""
    import pandas as pd

    from nngraph.similarity import matrix, representations

    file = None if kept is None else kept / f"{label}.csv"
    if file is not None and file.exists():
        return pd.read_csv(file, index_col=0)
    reps = representations(model, images, n=n, rng=0, channels="mean" if measure == "agw" else "flatten")
    D = matrix(reps, measure, undefined="nan", n_jobs=n_jobs, **options)
    if file is not None:
        with replacing(file) as content:
            D.to_csv(content, index_label="tap")
    return D
