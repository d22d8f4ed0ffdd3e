"""The ledger as one page of HTML that holds its figures: to mail, to read without a network, to print.

The page has no script. Rules and controls open by ``details``; verdicts are shown and hidden by checkboxes and CSS.
"""

from __future__ import annotations

import base64
import html
import io
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path

from nngraph.reproduce._ledger_folder import Entry, Ledger
from nngraph.reproduce._ledger_tables import COUNTED, UNDECIDED, command, duration, tally
from nngraph.reproduce._rows import VERDICTS, Row
from nngraph.reproduce.ledger import PAPERS

__all__ = ["report", "shrunk"]

_WIDTH = 1200  # pixels: sharp on screens of two pixels a point at the width that the page gives to figures
_MARKS = {**dict(zip(VERDICTS, ("●", "◐", "○", "–"), strict=True)), UNDECIDED: "?", "failed": "✕"}
_log = logging.getLogger("nngraph")


def report(ledger: Ledger) -> str:
    """Return the page: verdicts counted, a map of all rows, then each row with what was measured and its figure.

    Parameters
    ----------
    ledger : Ledger
        Of :func:`nngraph.reproduce._ledger_folder.read`; figures are read from its folder.

    Returns
    -------
    str
        One file: style and figures (made smaller) are in it, and nothing else is loaded.
    """
    about = ledger.about
    sections = [
        "".join(_section(ledger, paper, entries))
        for paper in PAPERS
        if (entries := [entry for entry in ledger.entries if entry.paper == paper])
    ]
    style = resources.files("nngraph.reproduce").joinpath("report.css").read_text(encoding="utf-8")
    title = f"Ledger of claims, {about['scale']} scale"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<link rel="icon" href="data:,">\n'
        f"<title>{_text(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        f"<header>\n<h1>Which claims hold?</h1>\n<p class=lead>{_text(_lead(ledger))}</p>\n"
        f"{_failures(ledger)}{_totals(ledger)}{_overview(ledger)}</header>\n<main>\n"
        f"{''.join(sections)}</main>\n{_footer(ledger)}</body>\n</html>\n"
    )


def _text(text: object) -> str:
    return html.escape(str(text))


def _prose(text: str) -> str:
    """Return a text with what stands in `backticks` as code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", _text(text))


def _class(verdict: str) -> str:
    return verdict.replace(" ", "-")


def _lead(ledger: Ledger) -> str:
    n, papers = len(ledger.entries), len({entry.paper for entry in ledger.entries})
    waiting = f" Not run: {', '.join(ledger.waiting)}." if ledger.waiting else ""
    return (
        f"{n} rows on {papers} paper{'s' if papers != 1 else ''}: what is claimed, which rule judges it, what was "
        "measured. The rules were stated before, and the verdicts are computed. A claim whose data are not at hand is "
        "not testable here and names the row that was run in its place; rows with x are on what the paper lacks."
        + waiting
    )


def _failures(ledger: Ledger) -> str:
    broken = sorted({entry.name for entry in ledger.entries if entry.failed})
    if not broken:
        return ""
    which = "an experiment" if len(broken) == 1 else f"{len(broken)} experiments"
    return (
        f'<p class=warning role="status"><b>Not complete:</b> {which} failed ({_text(", ".join(broken))}). The same '
        "command tries again.</p>\n"
    )


def _apart(verdict: str, found: Mapping[str, int]) -> str:
    undecided = found[UNDECIDED]
    return f" ({undecided} undecided)" if undecided and verdict == "does not hold" else ""


def _totals(ledger: Ledger) -> str:
    found = tally(ledger.entries)
    boxes = "".join(
        f'<label class="{_class(verdict)}"><input type=checkbox checked id="show-{_class(verdict)}">'
        f"<b>{found[verdict]}</b> <span>{_mark(verdict)} {verdict}{_apart(verdict, found)}</span></label>\n"
        for verdict in (*VERDICTS, *(["failed"] if found["failed"] else []))
    )
    return f"<fieldset class=totals>\n<legend>Verdicts. Untick one to hide its rows.</legend>\n{boxes}</fieldset>\n"


def _mark(verdict: str) -> str:
    return f'<span aria-hidden="true">{_MARKS[verdict]}</span>'


def _overview(ledger: Ledger) -> str:
    head = "".join(f"<th scope=col>{_mark(verdict)} <span class=word>{verdict}</span></th>" for verdict in COUNTED)
    lines = []
    for paper in PAPERS:
        if entries := [entry for entry in ledger.entries if entry.paper == paper]:
            name = f'<a href="#{_text(paper)}">{_text(paper)}</a>'
            lines.append(f"<tr><th scope=row>{name}</th>{_counted(entries)}</tr>\n")
    return (
        "<div class=scroll><table>\n<caption>Verdicts by paper</caption>\n"
        f"<thead><tr><th scope=col>paper</th><th scope=col>rows</th>{head}<th scope=col>time</th></tr></thead>\n"
        f"<tbody>\n{''.join(lines)}</tbody>\n"
        f"<tfoot><tr><th scope=row>all</th>{_counted(ledger.entries)}</tr></tfoot>\n</table></div>\n"
    )


def _counted(entries: Sequence[Entry]) -> str:
    time = duration(sum(entry.row.seconds for entry in entries))
    return "".join(f"<td>{cell}</td>" for cell in (len(entries), *tally(entries).values(), time))


def _section(ledger: Ledger, paper: str, entries: Sequence[Entry]) -> Iterator[str]:
    described = PAPERS[paper]
    yield f'<section id="{_text(paper)}">\n<header>\n<h2>{_text(described.title)}</h2>\n'
    yield f"<p class=soft><b>{_text(paper)}</b> · {_text(described.citation)}</p>\n<ul class=map>\n"
    for entry in entries:
        row = entry.row
        number = row.key.removeprefix(f"{paper}-")
        yield (
            f'<li><a class="{_class(_verdict(entry))}" href="#{_text(row.key)}" title="{_text(row.statement)}" '
            f'aria-label="{_text(row.key)}: {_said(entry)}">{_mark(_verdict(entry))}{_text(number)}</a></li>\n'
        )
    yield "</ul>\n</header>\n"
    drawn: dict[Path, str] = {}
    for entry in entries:
        yield from _article(ledger, entry, drawn)
    yield "</section>\n"


def _article(ledger: Ledger, entry: Entry, drawn: dict[Path, str]) -> Iterator[str]:
    row = entry.row
    yield f'<article id="{_text(row.key)}" data-verdict="{_verdict(entry)}">\n<div class=top>'
    yield f'<span class="badge {_class(_verdict(entry))}">{_mark(_verdict(entry))} {_said(entry)}</span>'
    yield f'<a class=key href="#{_text(row.key)}">{_text(row.key)}</a>'
    yield "".join(f"<span>{_text(text)}</span>" for text in _facts(row))
    yield f"</div>\n<h3>{_prose(row.statement)}</h3>\n<dl class=values>\n"
    yield f"<div><dt>Authors</dt><dd>{_prose(row.authors)}</dd></div>\n"
    yield f'<div class="ours"><dt>{_ours(row)}</dt><dd>{_measured(ledger, entry)}</dd></div>\n</dl>\n'
    yield from _details(row)
    yield _figure(ledger, entry, drawn)
    yield "</article>\n"


def _verdict(entry: Entry) -> str:
    return "failed" if entry.failed else entry.row.verdict


def _said(entry: Entry) -> str:
    return "failed" if entry.failed else entry.row.said


def _facts(row: Row) -> Iterator[str]:
    yield row.source
    if row.seeds is not None:
        yield f"{row.seeds} network{'s' if row.seeds != 1 else ''}"
    if row.seconds and row.verdict != "not testable here":
        yield duration(row.seconds)


def _ours(row: Row) -> str:
    return "Here" if row.verdict == "not testable here" else f"Here, on {_text(row.data)}"


def _measured(ledger: Ledger, entry: Entry) -> str:
    row = entry.row
    if row.verdict != "not testable here":
        return _prose(row.measured)
    said = f"{'The experiment failed' if entry.failed else 'Missing'}: {_prose(row.missing)}."
    instead = next((other.row for other in ledger.entries if other.row.key == row.stand_in), None)
    if instead is not None:
        return f'{said} In its place: <a href="#{_text(instead.key)}">{_text(instead.key)}</a>, {instead.said}.'
    return f"{said} In its place: {_text(row.stand_in)}, which was not run yet." if row.stand_in else said


def _details(row: Row) -> Iterator[str]:
    yield f"<details>\n<summary>Rule{' and control' if row.control else ''}</summary>\n<dl>\n"
    yield f"<dt>It holds if</dt><dd>{_prose(row.criterion)}</dd>\n"
    if row.control:
        yield f"<dt>Control</dt><dd>{_prose(row.control)}</dd>\n"
    if row.value is not None:
        interval = f" (from {row.low:.4g} to {row.high:.4g})" if row.low is not None and row.high is not None else ""
        yield f"<dt>Headline number, as in Measured</dt><dd>{row.value:.4g}{interval}</dd>\n"
    yield "</dl>\n</details>\n"


def _figure(ledger: Ledger, entry: Entry, drawn: dict[Path, str]) -> str:
    """Return the figure of a row, or a link to the row that has shown it."""
    row = entry.row
    if not row.figure:
        return ""
    file = ledger.folder / entry.paper / entry.experiment / row.figure
    if file in drawn:
        link = f'<a href="#{_text(drawn[file])}">{_text(drawn[file])}</a>'
        return f"<p class=elsewhere>Figure: with {link}</p>\n"
    try:
        content, size = shrunk(file.read_bytes())
    except OSError as error:
        _log.warning("%s: cannot be read (%s); the report goes without it", file, error.strerror or error)
        return f"<p class=elsewhere>The figure {_text(row.figure)} is no longer in its folder.</p>\n"
    drawn[file] = row.key
    uses = [other.row.key for other in ledger.entries if (other.name, other.row.figure) == (entry.name, row.figure)]
    width, height = size
    alt = f"Figure of {row.key}: {row.statement}. {row.measured}"
    return (
        f'<figure><img src="data:image/png;base64,{base64.b64encode(content).decode()}" width={width} height={height} '
        f'alt="{_text(alt)}"><figcaption>Figure for {_text(", ".join(uses))}</figcaption></figure>\n'
    )


def shrunk(content: bytes, width: int = _WIDTH) -> tuple[bytes, tuple[int, int]]:
    """Return a PNG that is at most so wide and has 128 colours, where that is smaller, and its size in pixels."""
    from PIL import Image

    with Image.open(io.BytesIO(content)) as given:
        image = given.convert("RGBA")
    page = Image.new("RGBA", image.size, "white")
    page.alpha_composite(image)
    picture = page.convert("RGB")
    if picture.width > width:
        height = max(1, round(picture.height * width / picture.width))
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    small = io.BytesIO()
    picture.quantize(128, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    if len(content) <= len(small.getvalue()):
        return content, image.size
    return small.getvalue(), picture.size


def _footer(ledger: Ledger) -> str:
    about = ledger.about
    memory = about.get("peak_memory_mib", {})
    packages = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    return (
        f"<footer>\n<h2>How this was made</h2>\n<pre><code>{_text(command(ledger))}</code></pre>\n"
        f"<p>nngraph {_text(about['nngraph'])}; {_text(packages)}. Largest memory: {memory.get('process', 0):,} MiB, "
        f"and {memory.get('largest_worker', 0):,} MiB in a worker. Times are those of one machine; rows of one "
        "experiment share its time.</p>\n</footer>\n"
    )
