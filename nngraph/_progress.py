"""One progress bar for everything that takes longer than two seconds: on stderr, for a terminal or a notebook only."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def progress(items: Iterable[T], *, total: int, label: str) -> Iterator[T]:
    """Yield the items and show how many are done; nothing is shown in files, pipes and continuous integration."""
    if not (_in_notebook() or sys.stderr.isatty()):
        yield from items
        return
    if importlib.util.find_spec("ipywidgets") is None:  # without widgets tqdm.auto warns in every notebook
        from tqdm import tqdm
    else:
        from tqdm.auto import tqdm

    yield from tqdm(items, total=total, desc=label, mininterval=0.1, delay=2, file=sys.stderr)


def _in_notebook() -> bool:
    shell = sys.modules.get("IPython")
    running = shell.get_ipython() if shell is not None else None
    return type(running).__name__ == "ZMQInteractiveShell"
