"""Pages that are made at the start of a build: the notebooks' copies, the API reference, the command line."""

from __future__ import annotations

import importlib
import inspect
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
INNER = ("nngraph.metrics", "nngraph.reproduce.ledger", "nngraph.token_tagging")
"""Modules with public names that the package does not name itself."""
FURTHER = {
    "class": [
        "nngraph.checkpoints.Recorder",
        "nngraph.convert.files.FileBlocks",
        "nngraph.convert.torch.WriteBack",
        "nngraph.evaluation.Evaluator",
    ],
    "function": [
        "nngraph.convert.igraph.to_igraph",
        "nngraph.convert.networkx.to_networkx",
        "nngraph.depth.blocks_of",
        "nngraph.training.single_thread",
    ],
}
"""Names of inner modules that the pages of public names refer to."""
CASES = {
    "class": inspect.isclass,
    "function": lambda value: callable(value) and not inspect.isclass(value),
    "data": lambda value: not callable(value),
}


def packages() -> list[str]:
    """Return the modules with public names, the package itself first."""
    import nngraph

    return ["nngraph", *(f"nngraph.{name}" for name in nngraph._SUBPACKAGES), *INNER]


def public(module: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the public names of a module, in cases: class, function and data; no module and no dunder."""
    loaded = importlib.import_module(module)
    names = [name for name in loaded.__all__ if not name.startswith("__")]
    values = {name: getattr(loaded, name) for name in names}
    for case, belongs in CASES.items():
        chosen = [name for name, value in values.items() if not inspect.ismodule(value) and belongs(value)]
        if chosen:
            yield case, chosen


def heading(text: str, mark: str) -> str:
    """Return a title of reStructuredText."""
    return f"{text}\n{mark * len(text)}\n\n"


def entries(names: list[str], case: str) -> str:
    """Return a table of names, and below it the docstring of each."""
    text = ".. autosummary::\n   :nosignatures:\n\n" + "".join(f"   {name}\n" for name in names) + "\n"
    options = "   :members:\n   :member-order: bysource\n\n" if case == "class" else "\n"
    return text + "".join(f".. auto{case}:: {name}\n{options}" for name in names)


def page_of(module: str) -> str:
    """Return the page of a module: its first line, and its public names."""
    text = heading(module, "=") + f".. module:: {module}\n\n"
    text += (inspect.getdoc(importlib.import_module(module)) or "") + "\n\n"
    for case, names in public(module):
        text += heading({"class": "Classes", "function": "Functions", "data": "Data"}[case], "-") + entries(names, case)
    return text


def further() -> str:
    """Return the page of names of inner modules."""
    text = heading("Further names", "=") + "Of inner modules, for those who build on them.\n\n"
    for case, names in FURTHER.items():
        text += heading({"class": "Classes", "function": "Functions"}[case], "-") + entries(names, case)
    return text


def command_line() -> str:
    """Return a page with the help of each command, as a terminal of 100 columns shows it."""
    import typer
    from click import Context

    from nngraph.cli import app

    group = typer.main.get_command(app)
    whole = Context(group, info_name="nngraph", terminal_width=100, max_content_width=100)
    text = heading("The command line", "=") + "What ``--help`` prints. Results go to stdout, logs to stderr.\n\n"
    for name, command in group.commands.items():
        help_text = command.get_help(Context(command, info_name=name, parent=whole))
        lines = re.sub("^", "   ", help_text, flags=re.MULTILINE)
        text += heading(f"nngraph {name}", "-") + f".. code-block:: text\n\n{lines}\n\n"
    return text


def write(path: Path, text: str) -> None:
    """Write a page, unless it is there as it is: Sphinx reads changed files anew."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def make(app: Sphinx, config: object) -> None:
    """Make all pages."""
    source = Path(app.srcdir)
    for module in packages():
        write(source / "api" / f"{module}.rst", page_of(module))
    write(source / "api" / "further.rst", further())
    write(source / "api" / "command_line.rst", command_line())
    shutil.rmtree(source / "notebooks", ignore_errors=True)
    shutil.copytree(ROOT / "notebooks", source / "notebooks", ignore=shutil.ignore_patterns(".*", "*.gexf"))


def relinked(app: Sphinx, docname: str, source: list[str]) -> None:
    """Let links between pages and notebooks, which lie side by side in the repository, hold in the site too."""
    if docname.startswith("notebooks/"):
        source[0] = source[0].replace("](../docs/", "](../")
    else:
        source[0] = re.sub(r"\]\(((?:\.\./)*)\.\./notebooks/", r"](\1notebooks/", source[0])


def setup(app: Sphinx) -> dict[str, Any]:
    """Make the pages before Sphinx looks for documents."""
    app.connect("config-inited", make)
    app.connect("source-read", relinked)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
