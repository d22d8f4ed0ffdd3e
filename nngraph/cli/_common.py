"""What the verbs share: errors as one sentence, graphs of files, functions of the user's own, folders of tables."""

from __future__ import annotations

import contextlib
import enum
import importlib
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from nngraph.errors import ArgumentError, NNGraphError, StudyError

if TYPE_CHECKING:
    import pandas as pd

    from nngraph.graph import NeuralGraph


@contextlib.contextmanager
def one_sentence(stopped: str = "stopped.") -> Iterator[None]:
    """Turn errors into a sentence on stderr and an exit code: 2 for wrong usage, 1 for what failed or was stopped."""
    try:
        yield
    except (NNGraphError, OSError) as error:
        typer.echo(f"nngraph: {' '.join(str(error).split())}", err=True)
        raise typer.Exit(2 if isinstance(error, ArgumentError) else 1) from None
    except KeyboardInterrupt:
        typer.echo(f"nngraph: {stopped}", err=True)
        raise typer.Exit(1) from None


@contextlib.contextmanager
def noted(kind: type[Warning]) -> Iterator[list[str]]:
    """Collect what the library warns of in one way, each sentence once; other warnings go their way."""
    sentences: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", kind)
        yield sentences
    for warning in caught:
        text = " ".join(str(warning.message).split())
        if not issubclass(warning.category, kind):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        elif text not in sentences:
            sentences.append(text)


class Conv(enum.StrEnum):
    """Policies of :func:`nngraph.from_torch` for convolutions that need no number of pixels."""

    channel = "channel"
    entry = "entry"


SOURCE = (
    "A .graphml or .nngraph graph, .safetensors or state_dict weights, or pkg.module:function that returns a graph, a "
    "torch model, or a model and an example input that tells which blocks share a part."
)
CONV = "Convolutions of a model: one edge for each pair of channels (channel), or for each kernel entry (entry)."


def is_function(source: str) -> bool:
    """Tell whether a source is pkg.module:function and no file."""
    return ":" in source and not Path(source).exists()


def graph_of(source: str | Path, conv: Conv | None = None) -> tuple[NeuralGraph, list[str]]:
    """Read a graph, the matrices of a file of weights as blocks of their own, or what a function returns.

    Also says what else a file of weights holds. A policy for convolutions is refused where there are none. A path is
    always a file.
    """
    if isinstance(source, str) and is_function(source):
        return _of_function(source, conv), []
    refuse_conv(conv, f"{source} is no function")
    file = Path(source)
    if file.suffix == ".nngraph":
        from nngraph.io.native import load

        return load(file), []
    if file.suffix == ".graphml":
        from nngraph.io.graphml import read_graphml

        return read_graphml(file), []
    from nngraph.convert.files import FileBlocks
    from nngraph.graph import NeuralGraph

    blocks = FileBlocks(file)
    return NeuralGraph(blocks), list(blocks.rest)


def refuse_conv(conv: Conv | None, why: str) -> None:
    """Raise for a policy for convolutions where there are none."""
    if conv is not None:
        raise ArgumentError(f"--conv: has no effect, because {why}; leave it out.")


def _of_function(name: str, conv: Conv | None) -> NeuralGraph:
    import torch

    from nngraph.convert.torch import from_torch
    from nngraph.graph import NeuralGraph

    found, example = call("FILE", name), None
    if isinstance(found, tuple) and len(found) == 2 and isinstance(found[0], torch.nn.Module):
        found, example = found
    kinds = (torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d)
    if isinstance(found, torch.nn.Module):
        if not any(isinstance(module, kinds) for module in found.modules()):
            refuse_conv(conv, f"{name} returns a model without convolutions")
        elif conv is None:
            raise ArgumentError(f"{name}: returned a model with convolutions; choose --conv channel or --conv entry.")
        return from_torch(found, example_input=example, conv=None if conv is None else conv.value)
    if isinstance(found, NeuralGraph):
        refuse_conv(conv, f"{name} returns a graph")
        return found
    raise ArgumentError(
        f"{name}: returned {type(found).__name__}; expected a NeuralGraph or a torch module, alone or as (module, "
        "example input)."
    )


def call(option: str, name: str) -> Any:
    """Call the ``pkg.module:function`` given to an option, and return its result; the current folder is on the path."""
    module, _, function = name.partition(":")
    if not module or not function:
        raise ArgumentError(f"{option}: got {name!r}; expected pkg.module:function.")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ArgumentError(f"{name}: cannot be imported ({error}).") from error
    except Exception as error:  # whatever the module does when it is imported
        raise StudyError(f"{name}: cannot be imported, {module} gives {type(error).__name__}: {error}") from error
    try:
        return found()
    except NNGraphError:
        raise
    except Exception as error:
        raise StudyError(f"{name}: failed with {type(error).__name__}: {error}") from error


def refuse_unused(context: typer.Context, used: Set[str], known: Set[str], why: str, **shown: str) -> None:
    """Raise for an option given by the user that would have no effect; some are shown by another name."""
    for name in sorted(known - used):
        where = context.get_parameter_source(name)
        if where is not None and where.name == "COMMANDLINE":
            raise ArgumentError(f"--{shown.get(name, name)}: has no effect on {why}; leave it out.")


def check_out(folder: Path) -> None:
    """Raise where tables could not be written, before anything is computed; nothing is left behind."""
    there = next((path for path in (folder, *folder.absolute().parents) if path.exists()), Path("/"))
    if not there.is_dir():
        raise ArgumentError(f"--out: {there} is a file; expected a folder, or a new name.")
    try:
        with tempfile.TemporaryDirectory(dir=there):
            pass
    except OSError as error:
        raise ArgumentError(f"--out: {there} cannot be written to ({error.strerror}); give another folder.") from None


def write(folder: Path, tables: Mapping[str, pd.DataFrame], figure: Any, name: str) -> None:
    """Write tables as CSV, those tap by tap with their index, and a figure as PNG and SVG."""
    import pandas as pd

    from nngraph.io._atomic import replacing

    folder.mkdir(parents=True, exist_ok=True)
    for title, table in tables.items():
        with replacing(folder / f"{title}.csv") as file:
            numbered = table.index.name is None and isinstance(table.index, pd.RangeIndex)
            table.to_csv(file, index=not numbered, index_label=None if numbered else table.index.name or "tap")
    for kind in ("png", "svg") if figure is not None else ():
        with replacing(folder / f"{name}.{kind}") as file:
            figure.savefig(file, format=kind, dpi=200)
