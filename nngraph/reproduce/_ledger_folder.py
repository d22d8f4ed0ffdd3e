"""The folder of a ledger: its settings, the rows of each finished experiment, and what is written of them all.

``OUT/PAPER/EXPERIMENT/rows.json`` is there when an experiment is finished, ``OUT/PAPER/EXPERIMENT.failed.json`` when it
failed: beside the folder of the experiment, which belongs to the experiment until it is finished.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import os
import platform
import re
import resource
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nngraph import __version__
from nngraph.errors import FormatError, StudyError
from nngraph.io._atomic import replacing
from nngraph.reproduce._rows import SCALES, Row, row_of

__all__ = [
    "Entry",
    "Ledger",
    "finished",
    "keep",
    "may_find_more",
    "opened",
    "place",
    "places",
    "read",
    "rows",
    "there",
    "write",
]

FORMAT = 1
_PACKAGES = ("numpy", "scipy", "pandas", "torch", "igraph", "networkx", "scikit-learn", "POT", "powerlaw", "numba")


@dataclasses.dataclass(frozen=True)
class Entry:
    """A row with the paper and the experiment that it is from."""

    paper: str
    experiment: str
    row: Row
    failed: bool

    @property
    def name(self) -> str:
        """Paper and experiment: the folder of the experiment within that of the ledger."""
        return f"{self.paper}/{self.experiment}"


@dataclasses.dataclass(frozen=True)
class Ledger:
    """All rows of a folder, in the order of the papers and of their checklists, and what the folder says of itself."""

    folder: Path
    about: Mapping[str, Any]
    entries: tuple[Entry, ...]
    waiting: tuple[str, ...]
    """Papers, or experiments of papers that have rows, which were not run."""


def opened(out: Path, settings: Mapping[str, Any]) -> None:
    """Make the folder of a ledger of these settings, or raise where it belongs to something else."""
    wanted = {"format": FORMAT, "nngraph": __version__, **settings}
    file = out / "ledger.json"
    try:
        if file.exists():
            _compare(out, _about(out), wanted)
            return
        if out.is_dir() and (others := sorted(path.name for path in out.iterdir() if path.name[0] != ".")):
            raise StudyError(f"{out}: holds {others[0]} and no ledger.json; give a new folder, or an empty one.")
        out.mkdir(parents=True, exist_ok=True)
        _write_json(file, wanted)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StudyError(f"{out}: cannot be used as a folder for a ledger ({reason}); give another one.") from None


def _compare(out: Path, there: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    for name, value in wanted.items():
        if there.get(name) != value:
            said = [json.dumps(v) if v is not None else "none" for v in (there.get(name), value)]
            raise StudyError(
                f"{out}: holds a ledger with {name} = {said[0]}, and this one has {said[1]}; give another folder, or "
                "the same settings and version to go on with it."
            )


def _about(out: Path) -> dict[str, Any]:
    found = _read_json(out / "ledger.json")
    if not isinstance(found, dict) or "format" not in found:
        raise FormatError(f"{out / 'ledger.json'}: is no description of a ledger; give another folder.")
    if (found["format"], found.get("nngraph")) == (FORMAT, __version__):
        _check(found, out / "ledger.json")
    return found


def _check(about: Mapping[str, Any], file: Path) -> None:
    """Raise where a description of this version has fields that it does not write."""
    checks: dict[str, tuple[bool, str]] = {
        "scale": (about.get("scale") in SCALES, f"one of {', '.join(SCALES)}"),
        "data": ("data" in about and isinstance(about["data"], str | None), "the name of a data set, or null"),
        "seed": (_is_whole(about.get("seed")), "a whole number"),
        "peak_memory_mib": (_is_map(about.get("peak_memory_mib", {}), _is_whole), "names with whole numbers"),
        "versions": (_is_map(about.get("versions", {}), lambda value: isinstance(value, str)), "names with versions"),
    }
    for name, (right, expected) in checks.items():
        if not right:
            raise FormatError(
                f"{file}: has {name} = {json.dumps(about.get(name))}; expected {expected}. Mend it, or give another "
                "folder."
            )


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_map(value: object, right: Callable[[Any], bool]) -> bool:
    return isinstance(value, dict) and all(right(one) for one in value.values())


def _read_json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        why = " ".join(str(error).split())
        raise FormatError(f"{file}: cannot be read ({why}); delete it, or its folder.") from None


def _write_json(file: Path, content: object) -> None:
    # numbers of numpy, which an experiment may put in its rows, become numbers of Python
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False, default=lambda number: number.item())
    with replacing(file) as opened_file:
        opened_file.write(f"{text}\n".encode())


def _failure(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.failed.json")


def keep(folder: Path, rows: Sequence[Row], traceback: str, root: str | None = None) -> None:
    """Keep the rows of an experiment as finished, with where it looked for files, or with a traceback as failed."""
    entries = [dataclasses.asdict(row) for row in rows]
    folder.parent.mkdir(parents=True, exist_ok=True)
    if traceback:
        _write_json(_failure(folder), {"format": FORMAT, "rows": entries, "traceback": traceback})
        (folder / "rows.json").unlink(missing_ok=True)  # of an earlier run, of which this one was to be the better
    else:
        _write_json(folder / "rows.json", {"format": FORMAT, "places": places(root), "rows": entries})
        _failure(folder).unlink(missing_ok=True)


def rows(folder: Path) -> tuple[list[Row], bool]:
    """Return the rows of an experiment that finished or failed, and whether it failed."""
    failed = not (folder / "rows.json").exists()
    file = _failure(folder) if failed else folder / "rows.json"
    found = _read_json(file)
    if not isinstance(found, dict) or found.get("format") != FORMAT or not isinstance(found.get("rows"), list):
        raise FormatError(f"{file}: holds no rows of a ledger; delete it, and its experiment runs again.")
    return [row_of(entry, file, folder) for entry in found["rows"]], failed


def there(folder: Path, keys: Sequence[str]) -> bool:
    """Tell whether an experiment finished or failed, with the rows that it declares today."""
    known = (folder / "rows.json").exists() or _failure(folder).exists()
    return known and [row.key for row in rows(folder)[0]] == list(keys)


def finished(folder: Path, keys: Sequence[str]) -> bool:
    """Tell whether an experiment finished, with the rows that it declares today."""
    return (folder / "rows.json").exists() and there(folder, keys)


def places(root: str | None) -> dict[str, str]:
    """Return where files are looked for: the root that was given, and what the environment names."""
    named = {name: value for name, value in os.environ.items() if name.startswith("NNGRAPH_") and value}
    return named | ({} if root is None else {"root": str(Path(root).resolve())})


def may_find_more(folder: Path, root: str | None) -> bool:
    """Tell whether a finished experiment lacked files, which may be at a place that it did not look at."""
    if not any(row.verdict == "not testable here" for row in rows(folder)[0]):
        return False
    before = _read_json(folder / "rows.json").get("places")
    before = before if isinstance(before, dict) else {}
    return any(before.get(name) != place for name, place in places(root).items())


def read(out: Path) -> Ledger:
    """Return the ledger that a folder holds."""
    from nngraph.reproduce.ledger import PAPERS, experiments

    about = _about(out)
    if about["format"] != FORMAT or about.get("nngraph") != __version__:
        raise StudyError(
            f"{out}: was written by nngraph {about.get('nngraph')} (format {about['format']}), and this is "
            f"{__version__} (format {FORMAT}); run it again into another folder."
        )
    entries: list[Entry] = []
    waiting: list[str] = []
    for paper in PAPERS:
        of_paper: list[Entry] = []
        left: list[str] = []
        for experiment in experiments(paper) if (out / paper).is_dir() else ():
            folder = out / paper / experiment.name
            if not there(folder, experiment.keys):
                left.append(f"{paper}/{experiment.name}")
                continue
            found, failed = rows(folder)
            of_paper += [Entry(paper, experiment.name, row, failed) for row in found]
        entries += sorted(of_paper, key=lambda entry: place(entry.row.key))
        waiting += left if of_paper else [paper]
    return Ledger(out, about, tuple(entries), tuple(waiting))


def place(key: str) -> tuple[bool, int, str]:
    """Order of rows: as numbered, and behind them what the paper lacks."""
    found = re.search(r"-(x?)(\d+)(\w*)$", key)
    return (bool(found[1]), int(found[2]), found[3]) if found else (True, 0, key)


def write(out: Path) -> None:
    """Write ``ledger.csv``, ``ledger.json``, ``ledger.md`` and ``report.html`` of all that the folder holds."""
    before = _about(out)
    peak = _peak_memory()
    for name, mebibytes in before.get("peak_memory_mib", {}).items():
        peak[name] = max(peak.get(name, 0), mebibytes)
    ledger = read(out)
    settings = {name: before[name] for name in ("format", "nngraph", "scale", "data", "seed")}
    about = {**settings, "versions": _versions(), "peak_memory_mib": peak}
    entries = [
        {"paper": entry.paper, "experiment": entry.experiment, "failed": entry.failed, **dataclasses.asdict(entry.row)}
        for entry in ledger.entries
    ]
    _write_json(out / "ledger.json", {**about, "rows": entries})
    from nngraph.reproduce import _ledger_tables, _report

    ledger = dataclasses.replace(ledger, about=about)
    for name, text in (
        ("ledger.csv", _ledger_tables.as_csv(ledger)),
        ("ledger.md", _ledger_tables.page({about["scale"]: ledger})),
        ("report.html", _report.report(ledger)),
    ):
        with replacing(out / name) as file:
            file.write(text.encode())


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:  # the package is on the path, but was not installed by pip
            continue
    return found


def _peak_memory() -> dict[str, int]:
    """Return the largest resident memory of this process, and of the largest of its workers that have ended, in MiB."""
    if "joblib" in sys.modules:
        from joblib.externals.loky import reusable_executor

        # workers are counted once they have ended; this ends those that wait for more
        if (executor := reusable_executor._executor) is not None:
            executor.shutdown(wait=True)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    own, worker = (
        resource.getrusage(who).ru_maxrss // unit for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return {"process": own, "largest_worker": worker}
