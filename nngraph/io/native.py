"""The exact format: ``nng.save(G, "net.nngraph")`` and ``nng.load(path)``.

A file is an uncompressed zip archive of ``header.json`` (format version, parts, blocks, links, skipped modules,
history) and one ``.npy`` array per entry that the header names. Nothing in it is code, and the same graph gives the
same bytes.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nngraph._blockwise import check_graph
from nngraph.blocks import Block, Origin
from nngraph.errors import FormatError
from nngraph.graph import Link, NeuralGraph, Part, Skipped, Step
from nngraph.io._atomic import named, replacing

__all__ = ["load", "save"]

FORMAT = "nngraph"
VERSION = 1
HEADER = "header.json"


def save(G: NeuralGraph, path: str | os.PathLike[str]) -> None:
    """Write a graph to a file from which :func:`load` gives it back bit for bit.

    Parameters
    ----------
    G : NeuralGraph
        The graph.
    path : str or path
        The file, ``"net.nngraph"`` by custom. A file of that name is replaced, once the new one is complete.

    Raises
    ------
    FormatError
        If the history holds a parameter that JSON cannot (anything but numbers, text, truth values, None, and lists,
        arrays or mappings of them).

    Notes
    -----
    Kept: weights, supports, biases, dtypes, origins, the raw bits of untouched blocks, parts and their labels, links,
    skipped modules, history. Tuples and arrays in the history come back as lists. A file takes 4 bytes an edge for
    float32, plus one bit per cell where edges are absent. The same graph gives the same bytes.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.array([[1.0, -2.0]])])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     nng.save(G, pathlib.Path(folder) / "net.nngraph")
    ...     nng.load(pathlib.Path(folder) / "net.nngraph") == G
    True
    """
    check_graph("save", G)
    arrays: dict[str, np.ndarray] = {}
    header = {
        "format": FORMAT,
        "version": VERSION,
        "parts": [{"name": p.name, "size": p.size, "labels": p.labels} for p in G.parts],
        "blocks": [_block_header(block, f"blocks/{i}", arrays) for i, block in enumerate(G.blocks)],
        "links": [
            {"source": k.source, "target": k.target, "kind": k.kind, "index": _put(arrays, f"links/{i}", k.index)}
            for i, k in enumerate(G.links)
        ],
        "skipped": [list(item) for item in G.skipped],
        "history": [_step_header(step) for step in G.history],
    }
    text = json.dumps(header, indent=1, ensure_ascii=False).encode()
    with replacing(path) as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr(_entry(HEADER), text)
        for name, array in arrays.items():
            with archive.open(_entry(name), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)


def load(path: str | os.PathLike[str]) -> NeuralGraph:
    """Read a graph that :func:`save` wrote. No code of the file runs.

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    NeuralGraph
        The graph that was saved, bit for bit, with the origins that ``to_torch`` needs.

    Raises
    ------
    FormatError
        If the file is missing, cut short, damaged, of another kind, or of a newer version of the format.
    """
    path = named(path)
    try:
        with zipfile.ZipFile(path) as archive:
            header = _header(archive, path)
            arrays = {}
            for info in archive.infolist():
                if info.filename != HEADER:
                    with archive.open(info) as member:
                        arrays[info.filename] = np.lib.format.read_array(member, allow_pickle=False)
        return NeuralGraph(
            [_block(entry, arrays) for entry in header["blocks"]],
            [Part(p["name"], p["size"], p["labels"]) for p in header["parts"]],
            links=[Link(k["source"], k["target"], k["kind"], _take(arrays, k["index"])) for k in header["links"]],
            skipped=[Skipped(*item) for item in header["skipped"]],
            history=[Step(s["operation"], s["parameters"], s["seed"]) for s in header["history"]],
        )
    except (FormatError, PermissionError):
        raise
    except FileNotFoundError:
        raise FormatError(f"{path}: there is no such file.") from None
    except IsADirectoryError:
        raise FormatError(f"{path}: is a folder; expected a file that nng.save wrote.") from None
    except zipfile.BadZipFile as error:
        raise FormatError(_no_archive(path, error)) from None
    except Exception as error:  # a damaged file can fail in any way
        raise FormatError(f"{path}: the file is damaged ({type(error).__name__}: {error}); save it anew.") from error


def _no_archive(path: Path, error: zipfile.BadZipFile) -> str:
    with path.open("rb") as file:
        start = file.read(4)
    if not start:
        return f"{path}: the file is empty; expected a file that nng.save wrote."
    if start == b"PK\x03\x04":
        return f"{path}: the file is cut short or damaged ({error}); copy or save it anew."
    return f"{path}: is no nngraph file (it starts with {start!r}); expected a file that nng.save wrote."


def _header(archive: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    """Read and check the header."""
    names = archive.namelist()
    header = None
    if HEADER in names:
        try:
            header = json.loads(archive.read(HEADER))
        except ValueError:
            header = None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise FormatError(
            f"{path}: is a zip archive of another kind (it holds {', '.join(names[:3]) or 'nothing'}); expected a file "
            "that nng.save wrote."
        )
    version = header.get("version")
    if not isinstance(version, int) or version > VERSION:
        raise FormatError(
            f"{path}: has format version {version!r}; this nngraph reads up to version {VERSION}. Upgrade nngraph."
        )
    return header


def _block_header(block: Block, prefix: str, arrays: dict[str, np.ndarray]) -> dict[str, object]:
    """Describe a block, putting its arrays under ``prefix``."""
    entry: dict[str, object] = {
        "name": block.name,
        "source": block.source,
        "target": block.target,
        "shape": block.shape,
        "dtype": block.dtype,
        "origin": None,
        "bias": _put(arrays, f"{prefix}/bias", block.bias),
        "raw": _put(arrays, f"{prefix}/raw", block.raw),
    }
    if block.is_sparse:
        for key, array in zip(("indptr", "indices", "data"), block.csr_arrays(), strict=True):
            entry[key] = _put(arrays, f"{prefix}/{key}", array)
    else:
        entry["weights"] = _put(arrays, f"{prefix}/weights", block.dense())
        bits = None if block.mask is None else np.packbits(block.mask)
        entry["mask"] = _put(arrays, f"{prefix}/mask", bits)
    if block.origin is not None:
        o = block.origin
        entry["origin"] = {
            "parameter": o.parameter,
            "shape": o.shape,
            "layout": o.layout,
            "rows": o.rows,
            "groups": o.groups,
            "bias": o.bias,
            "bias_rows": o.bias_rows,
            "entries": _put(arrays, f"{prefix}/entries", o.entries),
        }
    return entry


def _block(entry: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Block:
    """Make a block of its description."""
    n_target, n_source = entry["shape"]
    shape = (n_target, n_source)
    common: dict[str, Any] = {
        "bias": _take(arrays, entry["bias"]),
        "dtype": entry["dtype"],
        "origin": _origin(entry["origin"], arrays),
        "raw": _take(arrays, entry["raw"]),
    }
    ends = (entry["name"], entry["source"], entry["target"])
    if "indptr" in entry:
        indptr, indices, data = (arrays[entry[key]] for key in ("indptr", "indices", "data"))
        counts = np.diff(indptr)
        rows = np.repeat(np.arange(len(counts)), counts) if (counts >= 0).all() else np.zeros(0, dtype=np.int64)
        sound = len(counts) == n_target and indptr[0] == 0 and len(rows) == len(indices) == len(data)
        if not (
            sound and ((indices >= 0) & (indices < n_source)).all() and (np.diff(rows * n_source + indices) > 0).all()
        ):
            raise ValueError(f"block {entry['name']!r} has compressed rows that contradict each other")
        return Block.from_csr(*ends, shape, indptr, indices, data, **common)
    weights, bits = arrays[entry["weights"]], _take(arrays, entry["mask"])
    if weights.shape != shape:
        raise ValueError(f"block {entry['name']!r} has weights of shape {weights.shape}, not {shape}")
    if bits is not None and len(bits) != -(-weights.size // 8):
        raise ValueError(f"block {entry['name']!r} has a mask of {len(bits)} bytes for {weights.size} cells")
    mask = None if bits is None else np.unpackbits(bits, count=weights.size).astype(bool).reshape(shape)
    return Block.from_dense(*ends, weights, mask, **common)


def _origin(entry: Mapping[str, Any] | None, arrays: Mapping[str, np.ndarray]) -> Origin | None:
    if entry is None:
        return None
    pairs: dict[str, Any] = {
        key: None if entry[key] is None else tuple(entry[key]) for key in ("shape", "rows", "bias_rows")
    }
    return Origin(**{**entry, **pairs, "entries": _take(arrays, entry["entries"])})


def _step_header(step: Step) -> dict[str, object]:
    try:
        parameters = json.loads(json.dumps(dict(step.parameters), default=_plain))
    except (TypeError, ValueError) as error:
        raise FormatError(
            f"history: the parameters of {step.operation!r} cannot be written ({error}); expected numbers, text, truth "
            "values, None, and lists or mappings of them."
        ) from None
    return {"operation": step.operation, "parameters": parameters, "seed": step.seed}


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a value of type {type(value).__name__}")


def _put(arrays: dict[str, np.ndarray], name: str, array: np.ndarray | None) -> str | None:
    """Keep an array for the archive and return its name there."""
    if array is None:
        return None
    arrays[f"{name}.npy"] = array
    return f"{name}.npy"


def _take(arrays: Mapping[str, np.ndarray], name: str | None) -> np.ndarray | None:
    return None if name is None else arrays[name]


def _entry(name: str) -> zipfile.ZipInfo:
    """Name a member of the archive, without a clock or a machine in it."""
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.create_system = 3
    info.external_attr = 0o644 << 16
    return info
