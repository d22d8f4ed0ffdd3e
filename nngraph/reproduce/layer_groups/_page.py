"""The section on modular sums of the page of the study, written from tables, never by hand."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nngraph.errors import ArgumentError
from nngraph.io._atomic import replacing
from nngraph.reproduce.layer_groups import figures, modular, targets
from nngraph.reproduce.layer_groups.judgements import Judgement

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["kept", "put", "section", "tables"]

BEGIN, END = "<!-- modular sums: begin -->", "<!-- modular sums: end -->"


def tables(folder: str | Path, *, n: int = 200) -> dict[str, pd.DataFrame]:
    """Compute every table of the section; those that the folder has already are read.

    Parameters
    ----------
    folder : str or path
        Gets ``<table>.csv`` as each is done, and maps in progress.
    n : int
        Pairs of tokens in Table 1 and in the maps.

    Returns
    -------
    dict of str to pandas.DataFrame
        "table1_flatten", "table1_last", "table4_L", "table4_E", "figure3", "seconds".
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    steps: dict[str, Callable[[], pd.DataFrame]] = {
        "table1_flatten": lambda: targets.table1("L", n=n, tokens=["flatten"]),
        "table1_last": lambda: targets.table1("L", n=n, tokens=["last"]),
        "table4_L": lambda: targets.table4("L"),
        "table4_E": lambda: targets.table4("E"),
        "figure3": lambda: figures.figure3_claims(figures.figure3(n=n, folder=folder)),
        "seconds": figures.seconds_by_size,
    }
    return {name: kept(folder / f"{name}_{n}.csv", step) for name, step in steps.items()}


def section(found: Mapping[str, pd.DataFrame], *, n: int) -> str:
    """Return the section in Markdown.

    Parameters
    ----------
    found : mapping
        Of :func:`tables`.
    n : int
        Pairs of tokens that Table 1 and the maps have.

    Returns
    -------
    str
    """
    import pandas as pd

    table1 = pd.concat([found["table1_flatten"], found["table1_last"]], ignore_index=True)
    near = targets.nearest(table1)
    return "\n".join(
        [
            "## Modular sums",
            "",
            "p = 59, all 3,481 pairs (a, b), 80 % trained on; c1 = (a + b) mod 59, c2 = (c1 + b) mod 31, "
            "c = (c2 + b) mod 17. Model 0 (one block) answers c1; E (three blocks, end to end) and L (three blocks, "
            "block after block) answer c.",
            "",
            "Made by `python -m nngraph.reproduce.layer_groups targets --page docs/layer_groups.md --folder FOLDER "
            f"--n {n}`, the networks by `... modular --model L --out FOLDER`; no number is typed.",
            "",
            *_rows(
                ["model", "held-out accuracy", "steps", "CPU seconds"], [_network(name) for name in modular.RECIPES]
            ),
            "",
            _wraps(targets.errors_at_wraps("E")),
            "",
            f"### Table 1: distances from the taps of Model L to the targets (n = {n})",
            "",
            "Squared objective. The paper names neither encoding nor normalisation nor what becomes of the two "
            "positions, so each cell is one choice of the three. *Twin*: smallest distance of any tap of the "
            "untrained network. *Gaussian*: an unrelated cloud of 128 dimensions.",
            "",
            *_table1(near),
            "",
            *_claims(targets.table1_claims(near)),
            "",
            "### Table 4: what probes read, on held-out pairs",
            "",
            "Linear: least squares on one-hot targets, *error* its share of variance left, *accuracy* by the largest "
            "output. The last position is read.",
            "",
            *_table4(found),
            "",
            *_claims(targets.table4_claims(found["table4_L"], found["table4_E"])),
            "",
            f"### Figure 3: maps of all taps (n = {n})",
            "",
            *_claims(Judgement(*row) for row in found["figure3"].itertuples(index=False)),
            "",
            "### From 3,481 pairs to 1,000",
            "",
            *_seconds(found["seconds"]),
        ]
    )


def put(path: str | Path, text: str) -> None:
    """Put the section between its markers in the page, or behind all else where the page has none.

    Parameters
    ----------
    path : str or path
        A page in Markdown; it is made where there is none.
    text : str
        Of :func:`section`.

    Raises
    ------
    ArgumentError
        If the page has the markers more than once, or one of them alone.
    """
    path = Path(path)
    page = path.read_text(encoding="utf-8") if path.exists() else "# Layer groups\n"
    block = f"{BEGIN}\n{text}\n{END}"
    if page.count(BEGIN) == page.count(END) == 1 and page.index(BEGIN) < page.index(END):
        page = re.sub(f"{BEGIN}.*?{END}", lambda _: block, page, flags=re.DOTALL)
    elif page.count(BEGIN) == page.count(END) == 0:
        page = f"{page.rstrip()}\n\n{block}\n"
    else:
        raise ArgumentError(
            f"{path}: has {page.count(BEGIN)} of {BEGIN!r} and {page.count(END)} of {END!r}; expected one of each in "
            "this order, or neither."
        )
    with replacing(path) as file:
        file.write(page.encode())


def kept(path: Path, compute: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """Return the table of a file, which is computed and written where it is not there."""
    import pandas as pd

    if not path.exists():
        table = compute()
        with replacing(path) as file:
            file.write(table.to_csv(index=False).encode())
    return pd.read_csv(path, keep_default_na=False)


def _rows(header: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(map(str, line)) + " |" for line in lines]


def _network(name: str) -> list[str]:
    facts = modular.record(name)
    return [name, f"{100 * facts['stored']['held_out']:.2f} %", f"{facts['steps']:,}", f"{facts['cpu_seconds']:.0f}"]


def _wraps(found: Mapping[str, float]) -> str:
    return (
        "Held-out pairs chose when to stop and which check to keep. They guided the recipes of E and L too (weight "
        "decay, number and order of stages): these were chosen by looking at held-out accuracy, so that it is a "
        "selected one. L was trained stage by stage, each stage from the stored end of the one before. "
        f"Model E makes {found['errors']:.0f} errors in "
        f"{len(modular.split()[1])} held-out pairs, {found['at_wraps']:.0f} of them one step from where a sum wraps, "
        f"where {100 * found['share']:.0f} % of all pairs are."
    )


def _table1(near: pd.DataFrame) -> list[str]:
    rows = [
        [
            f"{row.target}, {row.encoding}",
            f"{row.tokens}, {row.normalize}",
            f"{row.nearest} {row.squared:.4f}",
            f"{row.published} {row.value:.4f} ({row.rank} of {row.of})",
            f"{row.untrained_nearest:.4f}",
            f"{row.gaussian:.4f}",
        ]
        for row in near.itertuples()
    ]
    return _rows(["target", "positions, normalised by", "nearest", "published tap (rank)", "twin", "Gaussian"], rows)


def _table4(found: Mapping[str, pd.DataFrame]) -> list[str]:
    rows = []
    for name in ("L", "E"):
        table = found[f"table4_{name}"]
        for tap in targets.STREAMS:
            for target in ("c1", "c2", "c"):
                kinds = (("linear", "error"), ("linear", "accuracy"), ("logistic", "accuracy"), ("mlp", "accuracy"))
                rows.append(
                    [name, tap, target, *(f"{targets.values_of(table, target, *kind)[tap]:.3f}" for kind in kinds)]
                )
    header = ["model", "tap", "target", "linear error", "linear accuracy", "logistic accuracy", "MLP accuracy"]
    return _rows(header, rows)


def _claims(judged: Iterable[Judgement]) -> list[str]:
    return _rows(["claim", "measured", "verdict"], [[one.claim, one.here, one.said] for one in judged])


def _seconds(table: pd.DataFrame) -> list[str]:
    rows = [[f"{row.n:,}", f"{row.seconds:.2f}", f"{row.squared:.5f}"] for row in table.itertuples()]
    return [
        "CPU seconds of one pair of taps (pre and resid_post of Model 0) on one core; the paper has 2 minutes and 5 "
        "seconds.",
        "",
        *_rows(["pairs of tokens", "CPU seconds", "squared objective"], rows),
    ]
