"""Pages of Markdown as programs: their blocks of code in order, and what the pages say that each prints."""

import contextlib
import dataclasses
import io
import math
import os
import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
FENCE = re.compile(r"^(?P<marks>```+)(?P<kind>[^\n`]*)\n(?P<body>.*?)^(?P=marks)[ \t]*$", re.DOTALL | re.MULTILINE)
NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?(?!\w)")


@dataclasses.dataclass
class Fence:
    """One fenced block."""

    kind: str
    body: str
    line: int
    shown: str | None = None
    """What the page says that it prints: the text block that follows without a line of prose between."""


def fences(text):
    """The fenced blocks of a page in order; a block "text" right below one of Python is what that one prints."""
    found, end = [], 0
    for match in FENCE.finditer(text):
        kind, body = match["kind"].strip(), match["body"]
        if kind == "text" and found and found[-1].kind == "python" and not text[end : match.start()].strip():
            found[-1].shown = body
        else:
            found.append(Fence(kind, body, text.count("\n", 0, match.start()) + 1))
        end = match.end()
    return found


def pages():
    """The pages that people wrote or that commands wrote, by name; not what a build of the site makes."""
    made = {"_build", "api", "notebooks"}
    found = sorted(path for path in DOCS.rglob("*.md") if not made & set(path.relative_to(DOCS).parts))
    return {path.relative_to(DOCS).with_suffix("").as_posix(): path for path in found}


def commands(text):
    """The command lines of a page, continued lines joined, comments left out: (program, arguments, shown output)."""
    found = []
    for fence in fences(text):
        if fence.kind not in ("", "console", "bash"):
            continue
        asked = fence.kind == "console"
        for line in fence.body.replace("\\\n", " ").splitlines():
            if asked and not line.startswith("$ "):
                found[-1][2].append(line)
                continue
            words = shlex.split(line.removeprefix("$ "), comments=True)
            if words and (asked or words[0] in ("nngraph", "make", "python")):
                found.append((words[0], words[1:], []))
    return found


def same(shown, found):
    """Whether a page shows what was found: the same words and whole numbers, decimals within 5 % or 0.05.

    Training gives other digits on another processor. A line "..." stands for any lines.
    """
    first, *others = [part.split() for part in re.split(r"^\s*\.\.\.\s*$", shown, flags=re.MULTILINE)]
    rest = found.split()
    if not alike(first, rest[: len(first)]):
        return False
    rest = rest[len(first) :]
    if not others:
        return not rest
    for wanted in others[:-1]:
        places = [i for i in range(len(rest) - len(wanted) + 1) if alike(wanted, rest[i : i + len(wanted)])]
        if not places:
            return False
        rest = rest[places[0] + len(wanted) :]
    return len(others[-1]) <= len(rest) and alike(others[-1], rest[len(rest) - len(others[-1]) :])


def alike(wanted, found):
    """Whether two sequences of words are the same but for decimals that are close."""
    return len(wanted) == len(found) and all(map(close, wanted, found))


def close(a, b):
    """Whether two words are the same, or the same around decimals that are close."""
    if a == b:
        return True
    if NUMBER.sub("#", a) != NUMBER.sub("#", b):
        return False
    pairs = zip(NUMBER.findall(a), NUMBER.findall(b), strict=True)
    return all(x == y or ("." in x + y and near(x, y)) for x, y in pairs)


def near(x, y):
    x, y = (float(text.replace(",", "")) for text in (x, y))
    return math.isclose(x, y, rel_tol=0.05, abs_tol=0.05)


@contextlib.contextmanager
def inside(folder):
    """Work in a folder."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def run_page(text, names=None):
    """Run the Python and the console lines of a page in order; yield (line, shown, printed), shown None or a text."""
    from typer.testing import CliRunner

    from nngraph.cli import app

    names = {"__name__": "page"} if names is None else names
    for fence in fences(text):
        if fence.kind == "python":
            code = compile("\n" * fence.line + fence.body, "page", "exec")
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(code, names)
            yield fence.line, fence.shown, printed.getvalue()
        elif fence.kind == "console":
            for program, arguments, output in commands(f"```console\n{fence.body}```"):
                if program != "nngraph":
                    continue
                done = CliRunner().invoke(app, arguments, catch_exceptions=False)
                assert done.exit_code == 0, (arguments, done.output)
                yield fence.line, "\n".join(output) or None, done.stdout
