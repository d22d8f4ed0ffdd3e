"""The rows of the ledger, the experiments that give them, and what a row has to be."""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from nngraph.errors import FormatError, StudyError

__all__ = [
    "OPTIONS",
    "SCALES",
    "VERDICTS",
    "Context",
    "Experiment",
    "Row",
    "Scale",
    "Verdict",
    "checked",
    "failed",
    "row_of",
]

Verdict: TypeAlias = Literal["holds", "holds in part", "does not hold", "not testable here"]
Scale: TypeAlias = Literal["quick", "full"]
VERDICTS: tuple[str, ...] = get_args(Verdict)
SCALES: tuple[str, ...] = get_args(Scale)
OPTIONS = ("data", "seed", "jobs")
"""Options of the command that do not reach every experiment."""
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One claim: what is said, by which rule it is judged, what was measured, and the verdict.

    Parameters
    ----------
    key : str
        Paper, dash, number in the checklist: "probes-04", with a letter where one number needs several rows
        ("probes-11a"); "probes-x1" for what the paper lacks.
    source : str
        Figure, table or section; "not in the paper" for what it lacks.
    statement, criterion : str
        The claim in our words; the rule, stated beforehand, by which it holds or does not.
    authors, measured : str
        What the authors report ("no number" where they give none); what was measured here.
    verdict : str
        "holds", "holds in part", "does not hold" or "not testable here".
    data : str
        Data set of the measurement.
    seeds : int, optional
        Independent networks behind the number.
    value, low, high : float, optional
        The headline number and its interval.
    control : str
        The control that was run and what it gave.
    missing, stand_in : str
        Of a claim that is not testable here: the missing file or model, and the key of the row run instead.
    figure : str
        Name of a PNG in the folder of the experiment.
    seconds : float
        Wall-clock time; where it is 0, the experiment's own is shared out among its rows.
    undecided : bool
        The number and its interval do not decide: the verdict is that of the estimate, and is counted apart.
    """

    key: str
    source: str
    statement: str
    criterion: str
    authors: str
    measured: str
    verdict: Verdict
    data: str
    seeds: int | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    control: str = ""
    missing: str = ""
    stand_in: str = ""
    figure: str = ""
    seconds: float = 0.0
    undecided: bool = False

    @property
    def said(self) -> str:
        """The verdict, with a word more where it is undecided."""
        return f"{self.verdict} (undecided)" if self.undecided else self.verdict


@dataclasses.dataclass(frozen=True)
class Context:
    """What an experiment is given.

    Parameters
    ----------
    folder : Path
        Its own folder, made for it; what is there from a run that was stopped need not be done again.
    scale : str
        "quick" (embedded data, minutes) or "full".
    data : str, optional
        Data set asked for by name; None leaves the choice to the experiment.
    root : str, optional
        Folder of data files; else ``NNGRAPH_DATA`` and the places that :func:`nngraph.datasets.load` knows.
    n_jobs : int
        Processes.
    rng : int
        Root seed.
    """

    folder: Path
    scale: Scale
    data: str | None
    root: str | None
    n_jobs: int
    rng: int


def always(*options: str) -> dict[str, tuple[str, ...]]:
    """Return what an experiment takes, the same at each scale."""
    return dict.fromkeys(SCALES, options)


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A computation that gives rows.

    Parameters
    ----------
    name : str
        Name of its folder.
    keys : tuple of str
        Keys of its rows, in their order.
    run : callable
        From a :class:`Context` to the list of rows.
    minutes : mapping
        CPU minutes on one core, measured, for "quick" and for "full".
    takes : mapping
        Which of "data", "seed" and "jobs" change what it does, at each scale; by default all.
    """

    name: str
    keys: tuple[str, ...]
    run: Callable[[Context], list[Row]]
    minutes: Mapping[str, float]
    takes: Mapping[str, Collection[str]] = dataclasses.field(default_factory=lambda: always(*OPTIONS))


def row_of(entry: Any, where: Path, folder: Path) -> Row:
    """Return the row that an entry of a JSON file describes, or raise where it describes none.

    ``where`` is the file, and ``folder`` that of the experiment, where its figures are.
    """
    fields = {field.name: field for field in dataclasses.fields(Row)}
    needed = {name for name, field in fields.items() if field.default is dataclasses.MISSING}
    if not isinstance(entry, dict) or not needed <= set(entry) <= set(fields):
        raise FormatError(f"{where}: has an entry that is no row of a ledger; delete the file, and run it again.")
    row = Row(**entry)
    wrong = _wrong_type(row)
    if not wrong and row.verdict not in VERDICTS:
        wrong = f"got the verdict {row.verdict!r}; expected one of {', '.join(map(repr, VERDICTS))}"
    if not wrong and not _inside(row.figure, folder):
        wrong = f"has the figure {row.figure!r}, which is not in the experiment's folder"
    if wrong:
        raise FormatError(f"{where}, row {row.key!r}: {wrong}; delete the file, and run it again.")
    return row


def _wrong_type(row: Row) -> str:
    """Say which field holds something of another type, or no finite number; "" where none does."""
    for field in dataclasses.fields(Row):
        value = getattr(row, field.name)
        if value is None and field.default is None:
            continue
        if field.name == "undecided":
            expected = "" if isinstance(value, (bool, np.bool_)) else "true or false"
        elif field.name == "seeds":
            whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
            expected = "" if whole else "a whole number, or None"
        elif field.name in ("value", "low", "high", "seconds"):
            real = isinstance(value, numbers.Real) and not isinstance(value, bool)
            expected = (
                "" if real and math.isfinite(value) else "a finite number" + ", or None" * (field.default is None)
            )
        else:
            expected = "" if isinstance(value, str) else "text"
        if expected:
            return f"has {field.name} = {value!r}; expected {expected}"
    return ""


def _inside(figure: str, folder: Path) -> bool:
    return (folder / figure).resolve().is_relative_to(folder.resolve())


def failed(experiment: Experiment, error: str) -> list[Row]:
    """Return the rows of an experiment that stopped with an error."""
    return [
        Row(
            key=key,
            source=f"experiment {experiment.name}",
            statement="The experiment of this row failed",
            criterion="the experiment ends without an error",
            authors="-",
            measured="-",
            verdict="not testable here",
            data="-",
            missing=error,
        )
        for key in experiment.keys
    ]


def checked(experiment: Experiment, rows: object, folder: Path, known: Collection[str]) -> list[Row]:
    """Return the rows of an experiment, or raise for what no ledger may hold.

    Raises
    ------
    StudyError
        For rows that are not those the experiment declares, and for a row that lacks what its reader needs; the
        message names the experiment and the key.
    """
    if not isinstance(rows, Sequence) or not all(isinstance(row, Row) for row in rows):
        raise StudyError(f"experiment {experiment.name}: gave {type(rows).__name__}; expected a list of rows.")
    found = [row.key for row in rows]
    if twice := [key for key, n in Counter(found).items() if n > 1]:
        raise StudyError(f"experiment {experiment.name}: gave the row {twice[0]} twice; expected each key once.")
    for what, keys in (
        ("lacks the row", [key for key in experiment.keys if key not in found]),
        ("gave a row that it does not declare,", [key for key in found if key not in experiment.keys]),
    ):
        if keys:
            declared = " ".join(experiment.keys)
            raise StudyError(f"experiment {experiment.name}: {what} {keys[0]}; it declares {declared}.")
    for row in rows:
        if wrong := _wrong(row, folder, known):
            raise StudyError(f"experiment {experiment.name}, row {row.key}: {wrong}.")
    return sorted(rows, key=lambda row: experiment.keys.index(row.key))


def _wrong(row: Row, folder: Path, known: Collection[str]) -> str:
    """Say what is wrong with a row; "" where nothing is."""
    if odd := _wrong_type(row):
        return odd
    if row.verdict not in VERDICTS:
        return f"got the verdict {row.verdict!r}; expected one of {', '.join(map(repr, VERDICTS))}"
    untested = row.verdict == "not testable here"
    for name in ("source", "statement", "criterion", "authors", *(() if untested else ("measured", "data"))):
        if not str(getattr(row, name)).strip():
            return f"has no {name}"
    if untested and not row.missing.strip():
        return "is not testable here and does not name the missing file or model"
    if untested and (row.stand_in not in known or row.stand_in == row.key):
        return f"is not testable here and has the stand-in {row.stand_in!r}; expected the key of another row"
    if row.low is not None and row.high is not None and row.low > row.high:
        return f"has the interval from {row.low:g} to {row.high:g}; expected low <= high"
    if row.figure:
        file = folder / row.figure
        if not _inside(row.figure, folder) or not file.is_file():
            return f"has the figure {row.figure!r}, which is not in the experiment's folder"
        with file.open("rb") as content:
            if content.read(len(_PNG)) != _PNG:
                return f"has the figure {row.figure!r}, which is no PNG"
    return ""
