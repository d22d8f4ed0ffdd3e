"""All seeds of the study, each trained and measured by itself, and the study that they make."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nngraph import _arguments
from nngraph._folders import opened
from nngraph._progress import progress
from nngraph.reproduce.lottery_tickets.claims import Study, study_of
from nngraph.reproduce.lottery_tickets.measuring import MEASURED, measures, scores, tails
from nngraph.reproduce.lottery_tickets.training import ARMS, Settings, run_seed

if TYPE_CHECKING:
    import pandas as pd

    from nngraph.sparse import Tickets

__all__ = ["MASKS", "SEEDS", "studied"]

SEEDS = 9
"""The fewest with which a sign test can pass Holm's correction over all measures tested."""
MASKS = {"tickets": 50, "random": 20}
"""Random masks that each round of an arm is held against."""


def studied(
    out: str | os.PathLike[str],
    *,
    settings: Settings | None = None,
    seeds: int = SEEDS,
    control_seeds: int | None = None,
    masks: Mapping[str, int] = MASKS,
    n_boot: int = 25,
    root: str | os.PathLike[str] | None = None,
    first: int = 0,
    n_jobs: int = 1,
) -> tuple[Study, Tickets]:
    """Train and measure all networks, or read those that are there.

    Parameters
    ----------
    out : path
        Folder, one of each seed in it. A run that was stopped goes on.
    settings : Settings, optional
        What is trained; by default LeNet-300-100 on Fashion-MNIST.
    seeds : int
        Networks from different weights, images and orders; four at least.
    control_seeds : int, optional
        How many of them also have the controls "shuffle", "degree" and "reinitialize"; by default all.
    masks : mapping of str to int
        Random masks for each round of the tickets and of the random control.
    n_boot : int
        Resamples of each tail.
    root : path, optional
        Folder of the files of the data set.
    first : int
        The first seed; the others follow.
    n_jobs : int
        Processes, of a seed each.

    Returns
    -------
    study : Study
    ticket : Tickets
        Of the first seed.

    Raises
    ------
    ArgumentError
        If there are fewer than four seeds, as a random control is held against at least three others, or more seeds
        with all controls than seeds; before anything is trained.
    DatasetError
        If the files of the data set are not found.
    StudyError
        If the folder holds results of other settings.
    """
    import joblib
    import pandas as pd

    seeds = _arguments.whole("seeds", seeds, 4)
    full = seeds if control_seeds is None else _arguments.whole("control_seeds", control_seeds, 0, seeds)
    settings = Settings() if settings is None else settings
    folder = opened(Path(out), dataclasses.asdict(settings))
    jobs = [(folder, settings, first + i, ARMS if i < full else MEASURED, masks, n_boot, root) for i in range(seeds)]
    found = joblib.Parallel(n_jobs=n_jobs, return_as="generator")(joblib.delayed(_seed)(*job) for job in jobs)
    measured, rows, fits = zip(*progress(found, total=seeds, label="seeds"), strict=True)
    study = study_of(measured, pd.concat(rows, ignore_index=True), pd.concat(fits, ignore_index=True))
    own = folder / f"seed_{first:02d}"
    return study, run_seed(own, settings, first, arms=("tickets",), root=root)["tickets"]


def _seed(
    folder: Path,
    settings: Settings,
    seed: int,
    arms: Sequence[str],
    masks: Mapping[str, int],
    n_boot: int,
    root: str | os.PathLike[str] | None,
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame, pd.DataFrame]:
    """Return the measures, the scores and the tails of one seed."""
    own = folder / f"seed_{seed:02d}"
    found = run_seed(own, settings, seed, arms=arms, root=root)
    fits = tails(own, found, seed=seed, every=max(settings.rounds // 5, 1), n_boot=n_boot)
    return measures(own, found, n=masks, seed=seed), scores(found, seed=seed), fits.assign(seed=seed)
