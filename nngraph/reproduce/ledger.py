"""The ledger: one row for each claim of the papers, with a verdict that was computed.

Experiments are run one after another, each in a folder of its own. What is finished is kept and not run again; what
fails is told in its rows, and tried again by the same call.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import logging
import os
import re
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from nngraph._tables import many
from nngraph.errors import ArgumentError, NNGraphError, StudyError
from nngraph.reproduce._rows import SCALES, VERDICTS, Context, Experiment, Row, Scale, Verdict, checked, failed

__all__ = [
    "DATA",
    "PAPERS",
    "SCALES",
    "VERDICTS",
    "Context",
    "Experiment",
    "Paper",
    "Row",
    "Scale",
    "Verdict",
    "experiments",
    "minutes_left",
    "run",
]

DATA = ("digits", "fashion-mnist", "mnist")
"""Data sets that can be asked for by name."""
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Paper:
    """A paper: its title or subject, its authors, the module that has its ``EXPERIMENTS``, the number of its claims."""

    title: str
    citation: str
    module: str
    claims: int


PAPERS: dict[str, Paper] = {
    "probes": Paper(
        "Task complexity shapes internal representations and robustness in neural networks",
        "R. Jankowski, F. Radicchi, M. A. Serrano, M. Boguna, S. Fortunato, 2025",
        "nngraph.reproduce.probes",
        23,
    ),
    "layer-groups": Paper(
        "Identifying sub-networks in neural networks via functionally similar representations",
        "T. Gao, A. Dhurandhar, K. Natesan Ramamurthy, D. Wei, 2024",
        "nngraph.reproduce.layer_groups.rows",
        17,
    ),
    "sparse-evolution": Paper(
        "Scalable training of artificial neural networks with adaptive sparse connectivity inspired by network science",
        "D. C. Mocanu, E. Mocanu, P. Stone, P. H. Nguyen, M. Gibescu, A. Liotta, Nature Communications 9, 2018",
        "nngraph.reproduce.sparse_evolution.rows",
        6,
    ),
    "lottery-tickets": Paper(
        "Lottery tickets as networks",
        "Kang et al., 2025",
        "nngraph.reproduce.lottery_tickets.rows",
        6,
    ),
    "capacitance": Paper(
        "Network properties determine neural network performance",
        "C. Jiang, T. Pedapati, P.-Y. Chen, Y. Sun, J. Gao, Nature Communications, 2024",
        "nngraph.reproduce.capacitance.rows",
        6,
    ),
}
"""The papers, in the order of the ledger."""


def experiments(paper: str) -> tuple[Experiment, ...]:
    """Return the experiments of a paper.

    Parameters
    ----------
    paper : str
        A name of :data:`PAPERS`.

    Returns
    -------
    tuple of Experiment

    Raises
    ------
    ArgumentError
        If there is no such paper.
    StudyError
        If two experiments have one name or declare one key, a key is odd, or one has no minutes for a scale.
    """
    if paper not in PAPERS:
        raise ArgumentError(f"papers: got {paper!r}; there is {', '.join(PAPERS)}.")
    found: tuple[Experiment, ...] = tuple(importlib.import_module(PAPERS[paper].module).EXPERIMENTS)
    for what, names in (
        ("the name", [experiment.name for experiment in found]),
        ("the key", [key for experiment in found for key in experiment.keys]),
    ):
        if twice := [name for name, n in Counter(names).items() if n > 1]:
            owners = [e.name for e in found if twice[0] in (e.name, *e.keys)]
            raise StudyError(f"{paper}: {what} {twice[0]} is declared twice, by the experiments {', '.join(owners)}.")
    for experiment in found:
        if odd := [key for key in experiment.keys or ("",) if not re.fullmatch(rf"{paper}-(x[1-9]|\d\d)[a-z]?", key)]:
            raise StudyError(
                f"{paper}, experiment {experiment.name}: got the key {odd[0]!r}; expected {paper}-01, {paper}-01a or "
                f"{paper}-x1."
            )
        if set(experiment.minutes) != set(SCALES):
            raise StudyError(f"{paper}, experiment {experiment.name}: expected minutes for {' and '.join(SCALES)}.")
    return found


@dataclasses.dataclass(frozen=True)
class _Job:
    """An experiment with its paper and its place."""

    paper: str
    experiment: Experiment
    folder: Path

    @property
    def name(self) -> str:
        return f"{self.paper}/{self.experiment.name}"

    def takes(self, option: str, scale: str) -> bool:
        """Tell whether an option changes what the experiment does."""
        return option in self.experiment.takes[scale]


def _jobs(papers: Iterable[str] | None, only: Sequence[str], out: Path) -> list[_Job]:
    """Return the experiments of the papers, or those of them that give the rows asked for."""
    asked = list(dict.fromkeys(papers or PAPERS))
    jobs = [_Job(paper, e, out / paper / e.name) for paper in asked for e in experiments(paper)]
    known = [key for job in jobs for key in job.experiment.keys]
    for key in only:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=3, cutoff=0)
            raise ArgumentError(
                f"only: got {key!r}, which is no row of {', '.join(asked)}; the nearest are {', '.join(near)}, and "
                "nngraph reproduce --list names all."
            )
    return [job for job in jobs if not only or set(only) & set(job.experiment.keys)]


def minutes_left(
    papers: Iterable[str] | None = None,
    *,
    out: str | os.PathLike[str],
    scale: Scale = "quick",
    n_jobs: int = 1,
    only: Sequence[str] = (),
    root: str | os.PathLike[str] | None = None,
) -> tuple[int, int, float]:
    """Return how many experiments wait, of how many, and the minutes that they take.

    The minutes are those that each experiment states, where it uses processes divided by their number (at most one for
    each core).
    Parameters are those of :func:`run`.

    Examples
    --------
    >>> minutes_left(["ghosts"], out="nowhere")
    Traceback (most recent call last):
    nngraph.errors.ArgumentError: papers: got 'ghosts'; there is probes, layer-groups, sparse-evolution, ...
    """
    jobs = _jobs(papers, only, Path(out))
    waiting = _waiting(jobs, _folder(root))
    cores = min(n_jobs if n_jobs > 0 else os.cpu_count() or 1, os.cpu_count() or 1)
    minutes = (job.experiment.minutes[scale] / (cores if job.takes("jobs", scale) else 1) for job in waiting)
    return len(waiting), len(jobs), sum(minutes)


def _folder(root: str | os.PathLike[str] | None) -> str | None:
    if root is not None and not Path(root).is_dir():
        raise ArgumentError(f"root: got {str(root)!r}, which is no folder; expected the folder of the data files.")
    return None if root is None else str(root)


def _waiting(jobs: Sequence[_Job], root: str | None) -> list[_Job]:
    """Return the experiments that are not finished, or lacked files that may now be found."""
    from nngraph.reproduce import _ledger_folder as folders

    return [
        job
        for job in jobs
        if not folders.finished(job.folder, job.experiment.keys) or folders.may_find_more(job.folder, root)
    ]


def run(
    papers: Iterable[str] | None = None,
    *,
    out: str | os.PathLike[str],
    scale: Scale = "quick",
    data: str | None = None,
    root: str | os.PathLike[str] | None = None,
    n_jobs: int = 1,
    rng: int = 0,
    only: Sequence[str] = (),
) -> list[Row]:
    """Run the experiments of papers that are not finished, and write the ledger.

    Parameters
    ----------
    papers : iterable of str, optional
        Names of :data:`PAPERS`; all of them by default.
    out : path
        Folder of one scale, data set and seed. Each experiment has a folder ``PAPER/EXPERIMENT`` in it; what is
        finished there is not run again. ``ledger.csv``, ``ledger.json``, ``ledger.md`` and ``report.html`` tell of all
        that the folder has, of papers that were run before too.
    scale : {"quick", "full"}
        Minutes on embedded data, or the settings of the papers.
    data : {"digits", "fashion-mnist", "mnist"}, optional
        Data set for the experiments that can choose; by default each has its own for the scale.
    root : path, optional
        Folder of data files, as :func:`nngraph.datasets.load` takes it.
    n_jobs : int
        Processes within an experiment; -1 is one for each core. Experiments run one after another.
    rng : int
        Root seed.
    only : sequence of str
        Keys of rows: runs the experiments that give them, and no others.

    Returns
    -------
    list of Row
        Of the papers, or of the keys, that were asked for. The rows of an experiment that failed are "not testable
        here", with the error as what is missing.

    Raises
    ------
    ArgumentError
        For a paper, key, scale, data set or folder of data files that does not exist.
    StudyError
        If the folder belongs to another version, scale, data set or seed, or to something else.
    """
    from nngraph import _arguments
    from nngraph.reproduce import _ledger_folder as folders

    out = Path(out)
    scale = "full" if _arguments.choice("scale", scale, SCALES) == "full" else "quick"
    if data is not None:
        _arguments.choice("data", data, DATA)
    n_jobs, rng = _arguments.processes(n_jobs), _arguments.whole("rng", rng, 0)
    jobs = _jobs(papers, only, out)
    place = _folder(root)
    folders.opened(out, {"scale": scale, "data": data, "seed": rng})
    waiting = _waiting(jobs, place)
    for option, value, usual in (("data", data, None), ("seed", rng, 0)):
        deaf = [job.name for job in waiting if not job.takes(option, scale)]
        if deaf and value != usual:
            _log.info("%s %s does not reach %s", option, value, ", ".join(deaf))
    for job in waiting:
        if folders.finished(job.folder, job.experiment.keys):
            _log.info("%s: lacked files that may be at a place not looked at before; it is run again", job.name)
    try:
        for i, job in enumerate(waiting):
            left = sum(other.experiment.minutes[scale] for other in waiting[i:])
            _log.info("%s (%d of %d; %.3g CPU minutes to go)", job.name, i + 1, len(waiting), left)
            context = Context(job.folder, scale, data, place, n_jobs, rng)
            folders.keep(job.folder, *_outcome(job, context), place)
    finally:
        if any(folders.there(job.folder, job.experiment.keys) for job in jobs):
            folders.write(out)
    rows = [row for job in jobs for row in folders.rows(job.folder)[0]]
    return [row for row in rows if not only or row.key in only]


def _outcome(job: _Job, context: Context) -> tuple[list[Row], str]:
    """Return the rows of one experiment, and the traceback where it failed."""
    start = time.perf_counter()
    known = {key for experiment in experiments(job.paper) for key in experiment.keys}
    try:
        job.folder.mkdir(parents=True, exist_ok=True)
        rows = checked(job.experiment, job.experiment.run(context), job.folder, known)
    except Exception as error:
        text = " ".join(str(error).split())
        text = text if isinstance(error, NNGraphError) else f"{type(error).__name__}: {text}"
        _log.warning("%s failed: %s", job.name, text)
        return failed(job.experiment, text), traceback.format_exc()
    seconds = time.perf_counter() - start
    _log.info("%s: %s in %.0f s", job.name, many(len(rows), "row"), seconds)
    share = seconds / len(rows)
    return [row if row.seconds else dataclasses.replace(row, seconds=share) for row in rows], ""
