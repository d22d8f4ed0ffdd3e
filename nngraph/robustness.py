"""How much a model's score owes to each of its weight matrices: probes and null models, one matrix at a time."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import numbers
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote

import numpy as np
import torch
from torch import nn

from nngraph import _arguments, _parallel
from nngraph._folders import digest_of, opened
from nngraph._rng import RNG, child, seed_record, seed_sequence
from nngraph._robustness_matrices import find_matrices, graph_of, matching
from nngraph._robustness_probes import PROBES, TWIN, Edit, Point, Scale, checked_probes, checked_scales, edits, points
from nngraph.convert.torch import WriteBack
from nngraph.errors import ArgumentError, FormatError, NullModelError
from nngraph.io._atomic import replacing
from nngraph.training import single_thread

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "PROBES", "layer_robustness", "robustness_table"]

Score: TypeAlias = Callable[[Any], float]
Row: TypeAlias = tuple[str, str, float, str, str, str, int, float | None, str]
COLUMNS = ("matrix", "probe", "parameter", "form", "scale", "null", "draw", "value", "status")
"""The columns of the table, in their order."""


@dataclasses.dataclass(frozen=True)
class _Plan:
    """What is done to every matrix."""

    probes: Mapping[str, tuple[float, ...]]
    scales: tuple[Scale, ...]
    draws: int
    seed: np.random.SeedSequence
    twin: nn.Module | None
    folder: Path | None
    home: int | None
    """The process whose model is not to be edited, where several tasks may run in it at once."""


def layer_robustness(
    model: nn.Module,
    score: Score,
    *,
    matrices: Sequence[str] | str | None = None,
    probes: Mapping[str, Sequence[float]] = PROBES,
    scales: Sequence[Scale] = (None, "mean_abs"),
    draws: int = 5,
    twin: nn.Module | None = None,
    rng: RNG = 0,
    folder: str | os.PathLike[str] | None = None,
    n_jobs: int = 1,
) -> pd.DataFrame:
    r"""Score a model with one of its weight matrices edited at a time, all others as trained.

    .. math:: s_{m}(f) = \mathrm{score}(W_1, \dots, f(W_m), \dots, W_M)

    Parameters
    ----------
    model : torch.nn.Module
        Any model. One matrix at a time is edited in place and put back bit for bit, whatever happens. It is in
        evaluation mode, and without gradients, whenever it is scored.
    score : callable
        ``score(model)`` returns a number, higher for better. It must not change the model, and with several processes
        must be one that can be sent to them.
    matrices : str or sequence of str, optional
        Names of parameters (``fc1.weight``), modules (``fc1``, or ``encoder`` for all within it) or blocks (``attn.q``
        of a packed projection); by default every matrix of the model. Embeddings and GPT-2's Conv1D are matrices too.
    probes : mapping of str to sequence of float
        "prune" (share of the edges, smallest first; at 1 nothing is left), "noise" (standard deviation of Gaussian
        noise on the edges present, in units of weight), "flip" (share of the signs, smallest weights first), and any
        kind of :func:`nngraph.nulls.randomize`: its numbers are shares of the edges pruned beforehand, the support
        that is left stays fixed.
    scales : sequence of None and "mean_abs"
        How pruned, noisy and flipped matrices are signed beside: bare signs, or signs times the mean magnitude of the
        matrix. Empty for not at all.
    draws : int
        Draws of each null model, and of noise.
    twin : torch.nn.Module, optional
        A model built alike, as :func:`nngraph.untrained_twin` makes it, whose matrix is put in the place of the
        trained one: one further row for each matrix.
    rng : None, int, SeedSequence or Generator
        Draws are keyed by matrix, probe, parameter and number, whatever else is asked for.
    folder : path, optional
        Where finished pieces, one for each matrix and probe, are kept and found again; ``results.csv`` at the end.
    n_jobs : int
        Number of processes, each with a copy of the model and one thread. With 1, torch's own threads are used.

    Returns
    -------
    pandas.DataFrame
        Columns matrix (name of its block; "" for the model as it is), probe ("none", "prune", "noise", "flip" or
        "twin"), parameter, form ("full" or "signed"), scale ("" or, of signed ones, "none" or "mean_abs"), null (kind,
        or ""), draw, value, and status: "ok", "failed: " with the error, or "no draw: " where a null model has no other
        graph; value is NaN then.

    Raises
    ------
    ArgumentError
        If an argument is wrong, a name names no matrix, or the score fails on the model as it is.
    StudyError
        If the folder is of other settings, another model, or a score of another value.

    Notes
    -----
    290 scores for each matrix by default, of which 150 are of noise. An edit is a few passes over the matrix, and the
    graph is that of one matrix. Biases stay as they are. A matrix that two modules share is edited once, for both. A
    weight of exactly 0 is no edge.

    Bare signs put every weight at 1, so that a collapse under them mixes scale with sign; "mean_abs" tells them apart.

    References
    ----------
    .. [1] R. Jankowski, F. Radicchi, M. A. Serrano, M. Boguna, S. Fortunato, "Task complexity shapes internal
       representations and robustness in neural networks", 2025, section 5.

    Examples
    --------
    >>> import nngraph as nng
    >>> model = nng.mlp((4, 3, 2), rng=0)
    >>> x = torch.eye(4)
    >>> table = layer_robustness(model, lambda m: float(m(x)[:, 0].mean()), matrices="0", probes={"prune": [0.5, 1]})
    >>> table[["matrix", "probe", "parameter", "form", "scale", "status"]]
      matrix  probe  parameter    form     scale status
    0          none        0.0    full               ok
    1      0  prune        0.5    full               ok
    2      0  prune        0.5  signed      none     ok
    3      0  prune        0.5  signed  mean_abs     ok
    4      0  prune        1.0    full               ok
    """
    import pandas as pd

    if not callable(score):
        raise ArgumentError(f"score: got {score!r}; expected a function of the model that returns a number.")
    n_jobs = _arguments.processes(n_jobs)
    weights = find_matrices(model, matrices)
    seed = seed_sequence(rng)
    plan = _Plan(
        probes=checked_probes(probes),
        scales=checked_scales(scales),
        draws=_arguments.whole("draws", draws),
        seed=seed,
        twin=twin,
        folder=None if folder is None else Path(folder).resolve(),
        home=None if n_jobs == 1 else os.getpid(),
    )
    for name, weight in weights.items():
        if twin is not None:
            matching(twin, name, weight)  # raises before hours are spent
    untouched = _scored_as_it_is(model, score)
    if plan.folder is not None:
        opened(plan.folder, _settings(model, plan, list(weights), untouched))
        (plan.folder / "parts").mkdir(exist_ok=True)
    units = [(name, probe) for name in weights for probe in (*plan.probes, *((TWIN,) if twin is not None else ()))]
    done = {unit: rows for unit in units if (rows := _kept(plan, unit)) is not None}
    todo = [unit for unit in units if unit not in done]
    common = (model, score, plan)
    found = _parallel.unordered(_run, todo, common, folder=plan.folder, n_jobs=n_jobs, label="matrices and probes")
    done |= dict(found)
    first: Row = ("", "none", 0.0, "full", "", "", 0, untouched, "ok")
    table = pd.DataFrame([first, *(row for unit in units for row in done[unit])], columns=list(COLUMNS))
    table = table.astype({"parameter": float, "draw": int, "value": float})
    if plan.folder is not None:
        with replacing(plan.folder / "results.csv") as file:
            table.to_csv(file, index=False, lineterminator="\n")
    return table


def robustness_table(table: pd.DataFrame, *, at: float = 0.9, chance: float = 0.0) -> pd.DataFrame:
    r"""Summarise a table of :func:`layer_robustness`: one row for each matrix.

    .. math:: A_m = \int_0^1 \frac{s_m(p) - c}{s - c}\, dp

    Parameters
    ----------
    table : pandas.DataFrame
        As :func:`layer_robustness` returns it.
    at : float
        Share of the edges pruned at which the drop is told.
    chance : float
        c, the score of a model that knows nothing, in units of the score.

    Returns
    -------
    pandas.DataFrame
        Indexed by matrix. untouched: s, the score of the model as it is; removed: with all edges of the matrix gone;
        drop: s minus the score with a share ``at`` of them pruned; area: A, by the trapezoidal rule over the shares
        that were scored, from 0 (where s itself is taken) to the largest; signed, scaled: with bare signs, and with
        signs times the mean magnitude, at the smallest share pruned; one column for each null model, the median over
        its draws there, and "twin"; collapsed: which of these lose more than half of s - c. NaN for what was not
        scored, or failed.

    Raises
    ------
    ArgumentError
        If the table has other columns, or the score of the model as it is does not exceed ``chance``.

    Examples
    --------
    >>> import nngraph as nng
    >>> model = nng.mlp((4, 3, 2), bias=False, rng=0)
    >>> x = torch.eye(4)
    >>> score = lambda m: float(m(x).abs().sum())
    >>> rows = layer_robustness(model, score, probes={"prune": [0, 0.9, 1], "A": [0]}, draws=2)
    >>> robustness_table(rows)["removed"].to_dict()
    {'0': 0.0, '2': 0.0}
    """
    import pandas as pd

    if not isinstance(table, pd.DataFrame):
        raise ArgumentError(f"table: got {type(table).__name__}; expected the table that layer_robustness returns.")
    if missing := [name for name in COLUMNS if name not in table.columns]:
        raise ArgumentError(f"table: got no column {missing[0]!r}; expected a table of layer_robustness.")
    whole = table.loc[(table["matrix"] == "") & (table["probe"] == "none"), "value"]
    if len(whole) != 1 or not float(whole.iloc[0]) > chance:
        raise ArgumentError(
            f"table: got {list(whole)} for the model as it is; expected one value above chance={chance!r}. Scores are "
            "higher for better: negate a loss."
        )
    untouched = float(whole.iloc[0])
    rows = {}
    valid = table[(table["status"] == "ok") & (table["matrix"] != "")]
    for name in table.loc[table["matrix"] != "", "matrix"].unique():
        own = valid[valid["matrix"] == name]
        pruned = own[(own["probe"] == "prune") & (own["null"] == "") & (own["form"] == "full")]
        curve = pruned.set_index("parameter")["value"].sort_index()
        forms = {"signed": ("none", ""), "scaled": ("mean_abs", "")}
        forms |= {kind: ("", kind) for kind in table.loc[table["null"] != "", "null"].unique()}
        first = {key: _first(own, *where) for key, where in forms.items()}
        if (table["probe"] == TWIN).any():
            first[TWIN] = float(own.loc[own["probe"] == TWIN, "value"].median())
        lost = [key for key, value in first.items() if value - chance < (untouched - chance) / 2]
        rows[name] = {
            "untouched": untouched,
            "removed": float(curve.get(1.0, math.nan)),
            "drop": untouched - float(curve.get(at, math.nan)),
            "area": _area(curve, untouched, chance),
            **first,
            "collapsed": ", ".join(lost),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("matrix")


# ------------------------------------------------------------------ one matrix


def _run(unit: tuple[str, str], model: nn.Module, score: Score, plan: _Plan) -> tuple[tuple[str, str], list[Row]]:
    """Do one probe on one matrix; a model that several threads may edit at once is copied before."""
    name, probe = unit
    if plan.home == os.getpid():
        model = copy.deepcopy(model)
    (weight,) = [weight for block, weight in find_matrices(model, [name]).items() if block == name]
    G = graph_of(name, weight)
    if probe == TWIN:
        assert plan.twin is not None
        todo: Iterator[Edit] = iter([Edit(Point(TWIN, 0.0), lambda: matching(plan.twin, name, weight))])  # type: ignore[arg-type]
    else:
        seed = child(plan.seed, "matrix", name)
        todo = edits(G, probe, plan.probes[probe], draws=plan.draws, scales=plan.scales, seed=seed)
    rows: list[Row] = []
    modes = [(module, module.training) for module in model.modules()]
    writer = WriteBack(model, G)
    try:
        if plan.home is None:
            rows += [_attempt(model, score, writer, name, edit) for edit in todo]
        else:
            with single_thread():
                rows += [_attempt(model, score, writer, name, edit) for edit in todo]
    finally:
        writer.restore()
        for module, training in modes:
            module.training = training
    if plan.folder is not None:
        with replacing(_part(plan.folder, unit)) as file:
            file.write(json.dumps(rows).encode())
    return unit, rows


def _attempt(model: nn.Module, score: Score, writer: WriteBack, name: str, edit: Edit) -> Row:
    """Make an edit, write it and score it; what fails is a row that says why."""
    value, status = None, "ok"
    try:
        writer.write(edit.make())
        value = _number(model, score)
    except NullModelError as error:
        status = f"no draw: {error}"
    except Exception as error:  # one edit that cannot be scored must not cost the others
        status = f"failed: {' '.join(str(error).split()) or type(error).__name__}"
    return (name, *edit.point, value, status)


def _number(model: nn.Module, score: Score) -> float:
    model.eval()  # each time: a score may have trained the model's copy, or left it in another mode
    with torch.no_grad():
        value = score(model)
    if isinstance(value, (torch.Tensor, np.ndarray)) and value.ndim == 0:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value):
        raise ArgumentError(f"score: returned {value!r}; expected a finite number.")
    return float(value)


def _scored_as_it_is(model: nn.Module, score: Score) -> float:
    modes = [(module, module.training) for module in model.modules()]
    try:
        return _number(model, score)
    except Exception as error:
        raise ArgumentError(
            f"score: failed on the model as it is ({' '.join(str(error).split()) or type(error).__name__}); expected "
            "a function that takes the model and returns a finite number."
        ) from error
    finally:
        for module, training in modes:
            module.training = training


# ------------------------------------------------------------------ the folder


def _settings(model: nn.Module, plan: _Plan, names: list[str], untouched: float) -> dict[str, Any]:
    return {
        "model": digest_of(model),
        "matrices": names,
        "probes": dict(plan.probes),
        "scales": list(plan.scales),
        "draws": plan.draws,
        "twin": None if plan.twin is None else digest_of(plan.twin),
        "rng": seed_record(plan.seed),
        "score of the model as it is": f"{untouched:.5g}",  # a score is a function: its value tells another data set
    }


def _part(folder: Path, unit: tuple[str, str]) -> Path:
    name, probe = unit
    return folder / "parts" / f"{quote(name, safe='.')}-{probe}.json"


def _kept(plan: _Plan, unit: tuple[str, str]) -> list[Row] | None:
    """Return the rows of a finished unit; None where there are none yet, or one failed."""
    if plan.folder is None or not (path := _part(plan.folder, unit)).exists():
        return None
    try:
        rows = [tuple(row) for row in json.loads(path.read_text(encoding="utf-8"))]
        whole = all(len(row) == len(COLUMNS) for row in rows)
    except (ValueError, TypeError) as error:
        raise FormatError(f"{path}: is damaged ({error}); delete it, it is made again then.") from None
    if not whole:
        raise FormatError(f"{path}: has rows of another form; delete it, it is made again then.")
    asked = [(unit[0], *point) for point in points(unit[1], plan.probes, draws=plan.draws, scales=plan.scales)]
    if [row[:-2] for row in rows] != asked:
        raise FormatError(
            f"{path}: has {len(rows)} rows, which are not the {len(asked)} of its matrix and probe; delete it, it is "
            "made again then."
        )
    return None if any(str(row[-1]).startswith("failed") for row in rows) else rows  # type: ignore[return-value]


# ----------------------------------------------------------------- the summary


def _first(own: pd.DataFrame, scale: str, kind: str) -> float:
    """Return the median value at the smallest share pruned."""
    rows = own[(own["probe"] == "prune") & (own["scale"] == scale) & (own["null"] == kind)]
    return float(rows.loc[rows["parameter"] == rows["parameter"].min(), "value"].median())


def _area(curve: pd.Series, untouched: float, chance: float) -> float:
    if curve.empty:
        return math.nan
    shares, values = curve.index.to_numpy(dtype=float), curve.to_numpy(dtype=float)
    if shares[0] > 0:
        shares, values = np.insert(shares, 0, 0.0), np.insert(values, 0, untouched)
    kept = (values - chance) / (untouched - chance)
    width = float(shares[-1])
    return float(np.trapezoid(kept, shares)) / width if width else float(kept[0])
