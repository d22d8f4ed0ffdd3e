"""A study as a folder: its settings, one part for each finished unit, and the merged tables.

Every file is written under a temporary name and renamed, so it is there whole or not at all. A process may be killed
at any moment; two processes may work in the same folder at once (they then repeat some work and write equal files).
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nngraph.errors import StudyError
from nngraph.io._atomic import replacing

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow

__all__ = ["COLUMNS", "Store"]

COLUMNS = ("task", "seed", "network", "operation", "parameter", "form", "null", "draw", "metric", "value", "status")
"""The columns of the table of a study, in their order."""

_WRITTEN = ("results.parquet", "results.csv", "timings.csv", "summary.md", "parts", "networks", "figures")
_log = logging.getLogger("nngraph")
_LEFTOVER_AGE = 3600.0  # seconds after which a temporary file must come from a process that was killed


class Store:
    """The folder of one study.

    Parameters
    ----------
    folder : path
        Made, with its parents, when the store is opened.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> store = Store(folder.name)
    >>> store.open({"seeds": 2})
    >>> row = dict(task="t", seed=0, network="", operation="none", parameter=0.0, form="full", null="", draw=0,
    ...            metric="accuracy", value=0.5, status="ok")
    >>> store.write_part("t-0", [row], {"train": 0.1})
    >>> store.is_done("t-0"), store.is_done("t-1")
    (True, False)
    >>> len(store.merge(["t-0"]))
    1
    >>> folder.cleanup()
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)

    def open(self, settings: Mapping[str, Any], versions: Mapping[str, str] | None = None) -> None:
        """Take the folder for a study of these settings, or go on with the study of the same settings in it.

        Raises
        ------
        StudyError
            If the folder is a file, cannot be written to, or holds a study with other settings; nothing is written.
        """
        folder, described = self.folder, self.folder / "study.json"
        settings = json.loads(json.dumps(settings, default=str))
        if folder.exists() and not folder.is_dir():
            raise StudyError(f"{folder}: got a file; expected a folder for the study. Give another name.")
        if described.exists():
            self._compare(_read_json(described), settings, versions or {})
        elif there := next((name for name in _WRITTEN if (folder / name).exists()), None):
            raise StudyError(
                f"{folder}: holds {there} but no study.json that says where it comes from. Give another folder."
            )
        try:
            if folder.exists() and not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(13, "permission denied")
            folder.mkdir(parents=True, exist_ok=True)
            if not described.exists():
                text = json.dumps({"format": 1, "settings": settings, "versions": dict(versions or {})}, indent=2)
                with replacing(described) as file:
                    file.write(f"{text}\n".encode())
            for name in ("parts", "networks"):  # after the description: a process killed in between can be resumed
                (folder / name).mkdir(exist_ok=True)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise StudyError(f"{folder}: cannot be written to ({reason}). Give a folder of your own.") from error

    def _compare(self, found: Mapping[str, Any], settings: Mapping[str, Any], versions: Mapping[str, str]) -> None:
        parts = [found.get(name) for name in ("settings", "versions")] if isinstance(found, dict) else []
        if not parts or found.get("format") != 1 or not all(isinstance(part, dict) for part in parts):
            raise StudyError(
                f"{self.folder / 'study.json'}: is not a study this version can read. Give another folder."
            )
        here, there = _flat(settings), _flat(found["settings"])
        for name in [*here, *there]:
            if here.get(name) != there.get(name):
                raise StudyError(
                    f"{self.folder}: holds a study with {name} = {_short(there.get(name))}; this one has "
                    f"{_short(here.get(name))}. Give another folder, or the same settings to go on with it."
                )
        for name, version in versions.items():
            if found["versions"].get(name) != version:
                _log.warning(
                    "%s was begun with %s %s and goes on with %s: numbers may differ in the last digits",
                    self.folder,
                    name,
                    found["versions"].get(name),
                    version,
                )

    def _part(self, unit: str) -> Path:
        return self.folder / "parts" / f"{unit}.parquet"

    def is_done(self, unit: str) -> bool:
        """Tell whether the part of a unit is there, whole and without a failed row."""
        import pyarrow
        import pyarrow.parquet

        try:
            metadata = pyarrow.parquet.read_schema(self._part(unit)).metadata or {}
        except (OSError, pyarrow.ArrowException):
            return False
        return metadata.get(b"failed") == b"0"

    def write_part(self, unit: str, rows: Sequence[Mapping[str, object]], seconds: Mapping[str, float]) -> None:
        """Write the rows of a finished unit; its times go into the file's metadata, apart from the table."""
        import pyarrow
        import pyarrow.parquet

        n_failed = sum(str(row["status"]).startswith("failed") for row in rows)
        metadata = {"failed": str(n_failed), "seconds": json.dumps(dict(seconds))}
        table = pyarrow.Table.from_pylist([dict(row) for row in rows], schema=_schema().with_metadata(metadata))
        with replacing(self._part(unit)) as file:
            pyarrow.parquet.write_table(table, file, compression="zstd")

    def merge(self, units: Sequence[str]) -> pd.DataFrame:
        """Write ``results.parquet``, ``results.csv`` and ``timings.csv`` from the parts, and return the table.

        Rows follow the order of ``units`` and, within a unit, the order in which it wrote them, so that the files are
        the same bit for bit however the study was run. Times are no part of the results.
        """
        import pandas as pd
        import pyarrow
        import pyarrow.parquet

        tables, times = [], []
        for unit in units:
            table = pyarrow.parquet.read_table(self._part(unit))
            tables.append(table.replace_schema_metadata(None))
            seconds = json.loads(table.schema.metadata[b"seconds"])
            times += [{"unit": unit, "stage": stage, "seconds": value} for stage, value in seconds.items()]
        merged = pyarrow.concat_tables(tables) if tables else _schema().empty_table()
        frame: pd.DataFrame = merged.to_pandas()
        with replacing(self.folder / "results.parquet") as file:
            pyarrow.parquet.write_table(merged.combine_chunks(), file, compression="zstd")
        timings = pd.DataFrame(times, columns=["unit", "stage", "seconds"])
        for name, rows in (("results.csv", frame), ("timings.csv", timings)):
            with replacing(self.folder / name) as file:
                rows.to_csv(file, index=False, lineterminator="\n")
        self._sweep()
        return frame

    def _sweep(self) -> None:
        """Remove the temporary files that killed processes left behind."""
        for path in self.folder.rglob(".*.tmp"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _LEFTOVER_AGE:
                    path.unlink()


def _schema() -> pyarrow.Schema:
    import pyarrow

    types = {"seed": pyarrow.int64(), "draw": pyarrow.int64(), "parameter": pyarrow.float64()}
    types["value"] = pyarrow.float64()
    return pyarrow.schema([(name, types.get(name, pyarrow.string())) for name in COLUMNS])


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StudyError(
            f"{path}: cannot be read as the description of a study ({error}). Give another folder."
        ) from error


def _flat(settings: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(settings, dict) or not settings:
        return {prefix: settings}
    return {
        key: value
        for name, inner in settings.items()
        for key, value in _flat(inner, f"{prefix}.{name}" if prefix else name).items()
    }


def _short(value: object) -> str:
    text = "none" if value is None else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
