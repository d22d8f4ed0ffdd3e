"""What the verbs share: errors as one sentence, graphs from files, and functions of the user's own."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from nngraph.errors import ArgumentError, NNGraphError, StudyError

if TYPE_CHECKING:
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


def graph_of(file: Path) -> tuple[NeuralGraph, list[str]]:
    """Read a graph, or the matrices of a file of weights as blocks of their own; say what else the file holds."""
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
