"""The ledger as text: CSV, tables of Markdown for folders, for the documentation and for the README."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from nngraph.errors import StudyError
from nngraph.io._atomic import replacing
from nngraph.reproduce._ledger_folder import Entry, Ledger, place, read
from nngraph.reproduce._rows import VERDICTS, Row
from nngraph.reproduce._tables import markdown, put
from nngraph.reproduce.ledger import PAPERS, experiments

__all__ = ["COUNTED", "UNDECIDED", "as_csv", "command", "counts", "duration", "listing", "page", "publish", "tally"]

UNDECIDED = "of which undecided"
FAILED = "failed"
COUNTED = (*VERDICTS[:3], UNDECIDED, *VERDICTS[3:], FAILED)
"""What :func:`tally` counts, in the order of its columns."""


def listing(papers: Iterable[str]) -> str:
    """Return papers, experiments, their minutes and their rows, as a table of Markdown."""
    rows = [
        (paper, e.name, f"{e.minutes['quick']:g}", f"{e.minutes['full']:g}", " ".join(e.keys))
        for paper in papers
        for e in experiments(paper)
    ]
    return "\n".join(markdown(("paper", "experiment", "quick, CPU minutes", "full, CPU minutes", "rows"), rows))


def duration(seconds: float) -> str:
    """Return seconds as a reader says them: "12 s", "3 min", "2 h 5 min"."""
    if seconds < 99.5:
        return f"{seconds:.0f} s" if seconds >= 9.5 or not seconds else f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    return f"{minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")


def tally(entries: Iterable[Entry]) -> dict[str, int]:
    """Return how many rows have each verdict, how many of those that do not hold are undecided, and how many failed.

    A row of an experiment that failed has no verdict.
    """
    found: Counter[str] = Counter()
    for entry in entries:
        found[FAILED if entry.failed else entry.row.verdict] += 1
        found[UNDECIDED] += not entry.failed and entry.row.undecided and entry.row.verdict == "does not hold"
    return {name: found[name] for name in COUNTED}


def as_csv(ledger: Ledger) -> str:
    """Return all rows with all their fields."""
    text = io.StringIO()
    names = [field.name for field in dataclasses.fields(Row)]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["paper", "experiment", "failed", *names])
    for entry in ledger.entries:
        values = dataclasses.asdict(entry.row)
        writer.writerow([entry.paper, entry.experiment, entry.failed, *(values[name] for name in names)])
    return text.getvalue()


def counts(ledgers: Mapping[str, Ledger]) -> list[str]:
    """Return the lines of a table: verdicts by paper, one line for each ledger that has rows of it, and their sums."""
    rows: list[tuple[object, ...]] = []
    for paper in PAPERS:
        for label, ledger in ledgers.items():
            if entries := [entry for entry in ledger.entries if entry.paper == paper]:
                rows.append((paper, label, len(entries), *tally(entries).values()))
    rows += [("all", label, len(ledger.entries), *tally(ledger.entries).values()) for label, ledger in ledgers.items()]
    return markdown(("paper", "scale", "rows", *COUNTED), rows)


def page(ledgers: Mapping[str, Ledger]) -> str:
    """Return the page of one ledger or of several, beside each other: tables, then every row with rule and control.

    Parameters
    ----------
    ledgers : mapping
        From what a ledger is called ("quick") to the ledger.
    """
    lines = ["# Ledger", "", *_introduction(ledgers), "", *counts(ledgers)]
    for paper, described in PAPERS.items():
        of_paper = {label: _of(ledger, paper) for label, ledger in ledgers.items()}
        if not any(of_paper.values()):
            continue
        lines += ["", f"## {paper}", "", f"{described.title} ({described.citation}).", ""]
        first = {key: entry for found in reversed(of_paper.values()) for key, entry in found.items()}
        keys = sorted(first, key=place)
        rows = [
            (
                key,
                _cell(first[key].row.statement),
                _cell(first[key].row.authors),
                *(_verdict(found.get(key)) for found in of_paper.values()),
            )
            for key in keys
        ]
        lines += markdown(("row", "claim", "authors", *ledgers), rows)
        lines += ["", "Rules, controls and data:", ""]
        for key in keys:
            lines += _details(first[key].row, {label: found.get(key) for label, found in of_paper.items()})
    return "\n".join(lines) + "\n"


def _introduction(ledgers: Mapping[str, Ledger]) -> Iterator[str]:
    said = []
    for ledger in ledgers.values():
        time = duration(sum(entry.row.seconds for entry in ledger.entries))
        said.append(f"`{command(ledger)}` ({time} on the machine that wrote this)")
    yield "What the papers claim, and what was measured, row by row; no number is typed. Written from"
    yield f"{', '.join(said)}."
    yield ""
    yield "Rows with x are on what the papers lack. A claim whose files are not at hand is not testable here; the row"
    yield "that was run in its place, on other data, has a verdict of its own."
    for label, ledger in ledgers.items():
        if ledger.waiting:
            yield from ("", f"Not run at the scale {label}: {', '.join(ledger.waiting)}.")


def command(ledger: Ledger) -> str:
    """Return the command that makes a ledger."""
    papers = list(dict.fromkeys(entry.paper for entry in ledger.entries))
    options = [f"--{name} {ledger.about[name]}" for name in ("scale", "data", "seed") if ledger.about[name] is not None]
    return " ".join(["nngraph reproduce", *([] if len(papers) == len(PAPERS) else papers), *options])


def _of(ledger: Ledger, paper: str) -> dict[str, Entry]:
    return {entry.row.key: entry for entry in ledger.entries if entry.paper == paper}


def _verdict(entry: Entry | None) -> str:
    if entry is None:
        return "-"
    row = entry.row
    if row.verdict != "not testable here":
        return f"**{row.said}**: {_cell(row.measured)}"
    if entry.failed:
        return f"**failed**: {_cell(row.missing)}"
    instead = f"; instead {row.stand_in}" if row.stand_in else ""
    return f"**{row.verdict}**: missing: {_cell(row.missing)}{instead}"


def _details(first: Row, entries: Mapping[str, Entry | None]) -> Iterator[str]:
    """Give one row as an item of a list, with an item below it for each ledger."""
    yield f"- **{first.key}** ({_cell(first.source)}). Rule: {_cell(first.criterion)}"
    for label, entry in entries.items():
        if entry is None:
            continue
        row = entry.row
        parts = [
            FAILED if entry.failed else row.said,
            *([_cell(row.data)] if row.data else []),
            *([_seeds(row)] if row.seeds else []),
        ]
        control = f" Control: {_cell(row.control)}" if row.control else ""
        other = f" Rule here: {_cell(row.criterion)}." if row.criterion != first.criterion else ""
        yield f"  - {label}: {', '.join(parts)}.{other}{control}"


def _seeds(row: Row) -> str:
    return f"{row.seeds} network{'s' if row.seeds != 1 else ''}"


def _cell(text: str) -> str:
    """Return a text as Markdown shows it: on one line, nothing in it taken for markup but what stands as `code`."""
    text = " ".join(text.split())
    pieces = re.split(r"(`[^`|]+`)", text)
    for i in range(0, len(pieces), 2):
        plain = pieces[i].replace("&", "&amp;").replace("<", "&lt;")
        pieces[i] = re.sub(r"([\\*_`\[\]|~$#])", r"\\\1", plain)
    return "".join(pieces)


def publish(folders: Sequence[Path], readme: Path, docs: Path) -> None:
    """Write the table of the README, between its markers, and the page ``ledger.md`` of the documentation.

    Raises
    ------
    FormatError
        If the README lacks the markers.
    StudyError
        If a folder is of no ledger, or has an experiment that failed.
    """
    ledgers: dict[str, Ledger] = {}
    for folder in folders:
        ledger = read(folder)
        if broken := sorted({entry.name for entry in ledger.entries if entry.failed}):
            raise StudyError(f"{folder}: {broken[0]} failed; run it again before its ledger is published.")
        label = " ".join([ledger.about["scale"], *([ledger.about["data"]] if ledger.about["data"] else [])])
        if label in ledgers:
            raise StudyError(f"{folder}: is a second ledger of the scale {label!r}; give one folder for each.")
        ledgers[label] = ledger
    put(readme, "ledger", "\n".join([*counts(ledgers), ""]))
    with replacing(docs / "ledger.md") as file:
        file.write(page(ledgers).encode())
