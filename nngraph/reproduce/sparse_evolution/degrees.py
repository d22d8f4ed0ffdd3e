"""Degrees of the layers of an evolving network over many rewirings, beside the binomial law and node-blind rewiring."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nngraph._folders import opened
from nngraph._rng import RNG, child, generator, seed_sequence
from nngraph.errors import ArgumentError
from nngraph.io._atomic import replacing
from nngraph.reproduce._claims import Claim
from nngraph.reproduce._tables import markdown
from nngraph.reproduce.sparse_evolution import _perceptrons, _units
from nngraph.reproduce.sparse_evolution._perceptrons import Settings
from nngraph.reproduce.sparse_evolution._records import EPSILON, FOLDER, RATE, Record, evolve, node_blind, snapshots

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = [
    "FOLDER",
    "KINDS",
    "LONG",
    "Record",
    "binomial_fit",
    "claims",
    "evolve",
    "figures",
    "judged",
    "run",
    "section",
    "short",
    "snapshots",
]

LONG = Settings(n_train=5_000, n_validation=0, epochs=501)
"""500 rewirings, one after every epoch but the last, 100 steps apart."""
N_BOOT = 200
GRAPHS = ("core", "regrown")
SHORT = {"zero": "new edges at 0", "normal": "new edges at random", "blind": "node-blind"}
TAIL = ("verdict", "alpha", "n_tail", "decades", "dispersion_p")
KINDS = {"zero": "trained, new edges at 0", "normal": "trained, new edges at random", "blind": "node-blind"}
TEXT = """{widths} networks, ε = {epsilon:g}, trained on {n_train} images of {data} with the constant learning rate
{rate:g}; after each of {last} epochs of {steps} steps they are rewired. New edges *at 0*, and *at random*, normal with
standard deviation 0.1, are the two published ways. Two controls start from the same supports: a fixed mask, whose
degrees stay those of the start, and *node-blind* rewiring, as many times, on weights that are drawn anew each time. If
edges survive whatever their nodes, degrees stay binomial: each node loses a binomial share of its edges and gets back a
Poisson number. Only survival that depends on the node widens them. An edge from a pixel that is always dark gets no
gradient: begun at 0 it stays there and goes first, begun at random it may stay. One network of each kind was trained.

The Kolmogorov-Smirnov distance is from the binomial law of the mean degree, with a p-value by samples of that law; the
verdict is that of `nng.stats.fit_tail`, for at most as many edges as there are nodes on the other side."""
CONCENTRATIONS = {
    "pixel_rho": "leave blank ones for informative ones",
    "pixel_among_rho": "concentrate on the most informative ones, among the half that varies most",
}
LEAST_RHO = 0.3
"""Rank correlation from which degrees are said to concentrate."""


def run(
    folder: str | os.PathLike[str],
    *,
    settings: Settings = LONG,
    epsilon: float = EPSILON,
    kinds: Sequence[str] = tuple(KINDS),
    n_boot: int = N_BOOT,
    root: str | os.PathLike[str] | None = None,
    stored: bool = False,
) -> pd.DataFrame:
    """Evolve a network of each kind and return what its degrees are like at some rewirings.

    Parameters
    ----------
    folder : path
        Keeps the degrees of each finished kind, and the table.
    settings : Settings
        Of the training; one rewiring after every epoch but the last.
    epsilon : float
        Of the initial supports.
    kinds : sequence of str
        "zero", "normal": what regrown edges weigh. "blind": the same rewiring of the same initial supports, on weights
        drawn anew each time, which know nothing of the nodes.
    n_boot : int
        Binomial samples behind each p-value of the Kolmogorov-Smirnov distance.
    root : path, optional
        Folder of the files of the data set.
    stored : bool
        Whether "zero" is the record that comes with the package, that of the settings by default, so that nothing is
        trained and no data set is needed; not for "normal".

    Returns
    -------
    pandas.DataFrame
        ``kind``, ``graph`` ("core": after removal; "regrown"), ``layer`` (widths, and the side), ``rewiring``, ``n``,
        ``n_opposite``, ``mean``, ``ks``, ``ks_p`` (of :func:`binomial_fit`), ``variance_ratio`` (to the binomial law of
        this mean), ``isolated`` (nodes without an edge), ``largest``, ``pixel_rho`` (rank correlation of the degrees of
        pixels with the variance of the pixel in the training images; NaN elsewhere), ``pixel_among_rho`` (the same
        among the half of the pixels that varies most), and ``verdict``, ``alpha``, ``n_tail``, ``decades``,
        ``dispersion_p`` of :func:`nngraph.stats.fit_tail`, at the start and at the end alone.

    Raises
    ------
    DatasetError
        If the files are not found.
    StudyError
        If the folder holds results of other settings.
    """
    import pandas as pd

    place = opened(Path(folder), dataclasses.asdict(settings) | {"epsilon": epsilon, "rate": RATE})
    samples = None if stored else _perceptrons.images(settings, root=root)["train"]
    tables = []
    for kind in kinds:
        if not (place / f"{kind}.npz").exists():
            if samples is not None:
                record = evolve(kind, settings, samples, epsilon=epsilon)
            else:
                record = _stored(kind, settings, epsilon)
            record.save(place / f"{kind}.npz")
        if not (file := place / f"{kind}.csv").exists():
            table = _described(kind, Record.load(place / f"{kind}.npz"), settings, n_boot)
            with replacing(file) as content:
                table.to_csv(content, index=False)
        tables.append(pd.read_csv(file))
    return pd.concat(tables, ignore_index=True)


def _stored(kind: str, settings: Settings, epsilon: float) -> Record:
    """Return the record that comes with the package, or node-blind rewiring from the same supports."""
    record = Record.load()
    if kind == "zero":
        return record
    if kind == "blind":
        return node_blind(settings, record.pixel_variance, epsilon=epsilon)
    raise ArgumentError(f"kinds: got {kind!r}; expected zero and blind, as no other record comes with the package.")


def binomial_fit(degrees: np.ndarray, n_opposite: int, *, n_boot: int = 200, rng: RNG = None) -> tuple[float, float]:
    r"""Return the Kolmogorov-Smirnov distance of degrees from the binomial law of their mean, and its p-value.

    .. math:: D = \max_k \left| \hat F(k) - F(k; N, \hat p) \right|, \qquad \hat p = \bar k / N

    Parameters
    ----------
    degrees : (n,) int array
        Of one side of one block.
    n_opposite : int
        Nodes on the other side.
    n_boot : int
        Samples of the binomial law.
    rng : None, int, SeedSequence or Generator
        Of the samples.

    Returns
    -------
    ks, p : float
        p is the share of samples, the degrees among them, whose distance from the law of *their* mean is as large.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> binomial_fit(rng.binomial(400, 0.06, size=400), 400, rng=0)[1] > 0.05
    True
    >>> binomial_fit(rng.zipf(2.5, size=400).clip(max=400), 400, rng=0)[1] < 0.01
    True
    """
    draws = generator(seed_sequence(rng)).binomial(n_opposite, degrees.mean() / n_opposite, (n_boot, len(degrees)))
    ks = _distance(degrees, n_opposite)
    as_far = sum(_distance(draw, n_opposite) >= ks - 1e-12 for draw in draws)
    return ks, (1 + as_far) / (1 + n_boot)


def _distance(degrees: np.ndarray, n_opposite: int) -> float:
    from scipy.stats import binom

    shares = np.cumsum(np.bincount(degrees)) / len(degrees)
    return float(np.abs(shares - binom.cdf(np.arange(len(shares)), n_opposite, degrees.mean() / n_opposite)).max())


def _described(kind: str, record: Record, settings: Settings, n_boot: int) -> pd.DataFrame:
    """Return the rows of one kind: what its degrees are like."""
    import pandas as pd

    from nngraph.stats import fit_tail

    widths = [len(record.pixel_variance), *settings.hidden]
    rows = []
    for (graph, block, side), over_time in record.degrees.items():
        n_opposite = widths[block + 1 if side == "source" else block]
        for rewiring, k in zip(record.rewirings.tolist(), over_time, strict=True):
            seed = child(seed_sequence(settings.seed), kind, graph, block, side, rewiring)
            p = k.mean() / n_opposite
            ks, ks_p = binomial_fit(k, n_opposite, n_boot=n_boot, rng=child(seed, "ks"))
            ends = rewiring in (0, record.rewirings[-1])  # most of the cost is here
            tail = fit_tail(k, n_opposite=n_opposite, rng=child(seed, "tail")) if ends else None
            of_pixels = (block, side) == (0, "source") and len(np.unique(k)) > 1
            row = {"kind": kind, "graph": graph, "layer": _layer(widths, block, side), "rewiring": rewiring}
            row |= {"n": len(k), "n_opposite": n_opposite, "mean": k.mean(), "ks": ks, "ks_p": ks_p}
            row["variance_ratio"] = k.var(ddof=1) / (n_opposite * p * (1 - p))
            row |= {"isolated": int((k == 0).sum()), "largest": int(k.max())}
            found = _units.concentration(k, record.pixel_variance) if of_pixels else (np.nan, np.nan)
            row["pixel_rho"], row["pixel_among_rho"] = found
            rows.append(row | {what: getattr(tail, what, None) for what in TAIL})
    return pd.DataFrame(rows)


def _layer(widths: Sequence[int], block: int, side: str) -> str:
    return f"{widths[block]} → {widths[block + 1]}, {'out' if side == 'source' else 'in'}"


def claims(table: pd.DataFrame) -> list[Claim]:
    """Judge what the paper says of degrees, and what theory says of rewiring that is blind to nodes.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`run`.

    Returns
    -------
    list of Claim
    """
    return list(judged(table).values())


def judged(table: pd.DataFrame) -> dict[tuple[str, str, str], Claim]:
    """Judge each kind and graph, by both and what is judged: "tails", a column of ``CONCENTRATIONS``, "binomial"."""
    end = table[table["rewiring"] == table["rewiring"].max()]
    blind = table[table["kind"] == "blind"]
    found: dict[tuple[str, str, str], Claim] = {}
    for kind in [kind for kind in dict.fromkeys(table["kind"]) if kind != "blind"]:
        for graph in GRAPHS:
            at = end[(end["kind"] == kind) & (end["graph"] == graph)]
            found[kind, graph, "tails"] = _scale_free(kind, graph, at)
            for column, words in CONCENTRATIONS.items():
                beside = blind[blind["graph"] == graph]
                found[kind, graph, column] = _concentrated(kind, graph, column, words, at, beside)
    if len(blind):
        found["blind", "regrown", "binomial"] = _stays_binomial(blind)
    return found


def _scale_free(kind: str, graph: str, at: pd.DataFrame) -> Claim:
    heavy, wide = (at["verdict"] == "heavy-tailed").sum(), (at["verdict"] == "over-dispersed").sum()
    verdict = "holds" if heavy == len(at) else "holds in part" if heavy else "does not hold"
    return Claim(
        claim=f"degrees become scale-free ({KINDS[kind]}, {graph} graph, {at['rewiring'].iloc[0]} rewirings, one "
        "network)",
        rule="holds where `fit_tail` calls the degrees of every layer and side heavy-tailed, in part where those of "
        "some; over-dispersed is wider than binomial and no more",
        published="an Erdős–Rényi graph becomes scale-free",
        measured=f"{heavy} heavy-tailed, {wide} over-dispersed of {len(at)}",
        verdict=verdict,
        seeds=1,
        value=heavy / len(at),
    )


def _concentrated(kind: str, graph: str, column: str, words: str, at: pd.DataFrame, blind: pd.DataFrame) -> Claim:
    rho = float(at[column].dropna().iloc[0])
    chance = float(blind[column].abs().max())
    verdict = "holds" if rho > max(LEAST_RHO, chance) else "undecided" if rho > chance else "does not hold"
    return Claim(
        claim=f"degrees of pixels {words} ({KINDS[kind]}, {graph} graph, one network)",
        rule=f"holds where the rank correlation of degree and variance over these pixels is above {LEAST_RHO} at the "
        "end and above all of node-blind rewiring in magnitude, undecided where only the latter, else does not hold",
        published="the connections of pixels picture the digits",
        measured=f"{rho:+.2f}; node-blind at most {chance:.2f} in magnitude",
        verdict=verdict,
        counts=_units.leaning(verdict, for_it=True),
        control=f"node-blind rewiring: at most {chance:.2f} in magnitude",
        seeds=1,
        value=rho,
    )


def _stays_binomial(blind: pd.DataFrame) -> Claim:
    regrown = blind[(blind["graph"] == "regrown") & (blind["rewiring"] > 0)]
    share, chance = float((regrown["ks_p"] < 0.05).mean()), 0.15
    ratio = regrown["variance_ratio"].mean()
    return Claim(
        claim="rewiring that is blind to nodes keeps degrees binomial",
        rule=f"holds where at most {chance:.0%} of the Kolmogorov-Smirnov tests, over layers and rewirings, reject the "
        "binomial law at 5 % (rewirings that follow each other are not independent), else does not hold",
        published="not in the paper: theory",
        measured=f"{share:.0%} rejected; mean variance x {ratio:.2f}",
        verdict="holds" if share <= chance else "does not hold",
        seeds=1,
        value=share,
    )


def section(table: pd.DataFrame, folder: str | os.PathLike[str]) -> str:
    """Return the section on degrees in Markdown.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`run`.
    folder : path
        That it ran in, with its settings.

    Returns
    -------
    str
    """
    known = _units.settings_of(folder)
    last = int(table["rewiring"].max())
    shown = table[table["rewiring"].isin([0, last])]
    shown = shown[(shown["rewiring"] > 0) | ((shown["graph"] == "regrown") & (shown["kind"] == shown["kind"].iloc[0]))]
    rows = [
        [
            "start" if one.rewiring == 0 else KINDS[one.kind],
            "" if one.rewiring == 0 else one.graph,
            one.layer,
            f"{one.mean:.1f}",
            one.largest,
            one.isolated,
            f"{one.variance_ratio:.2f}",
            f"{one.ks:.3f} ({one.ks_p:.3f})",
            f"{one.verdict} (α = {one.alpha:.1f}, {one.n_tail:.0f})",
            "" if np.isnan(one.pixel_rho) else f"{one.pixel_rho:+.2f} ({one.pixel_among_rho:+.2f})",
        ]
        for one in shown.sort_values(["rewiring"], kind="stable").itertuples()
    ]
    head = ["edges", "graph", "layer, side", "mean", "largest", "isolated", "variance / binomial"]
    head += [
        "KS from binomial (p)",
        "verdict on the tail (exponent, nodes in it)",
        "correlation with pixel variance (among the half that varies most)",
    ]
    return "\n".join(
        [
            "## Degrees",
            "",
            TEXT.format(
                last=last,
                steps=known["n_train"] // known["batch"],
                widths="-".join(map(str, (784, *known["hidden"], 10))),
                **{key: known[key] for key in ("data", "epsilon", "rate")},
                n_train=f"{known['n_train']:,}",
            ),
            "",
            *markdown(head, rows),
            "",
            *_unused(table[table["rewiring"] == last]),
            "",
            "![variance of degrees](pictures/sparse_evolution_variances.png)",
            "",
            "Variance of the degrees over that of the binomial law of their mean, against the number of rewirings.",
            "",
            "![degrees at the start and at the end](pictures/sparse_evolution_degrees.png)",
            "",
            "Share of nodes with at least k edges at the start and at the end; lines: binomial laws of the same means.",
            "",
            "![degrees of pixels](pictures/sparse_evolution_pixels.png)",
            "",
            "Out-degree of each pixel of the 28 x 28 image, and the variance of the pixel over the training images.",
        ]
    )


def short(table: pd.DataFrame) -> str:
    """Return one sentence on what was found."""
    end = table[(table["rewiring"] == table["rewiring"].max()) & (table["kind"] != "blind")]
    counts = end["verdict"].value_counts()
    told = ", ".join(f"{counts.get(one, 0)} {one}" for one in ("heavy-tailed", "over-dispersed", "binomial-like"))
    pixels = end.dropna(subset=["pixel_rho"]).groupby("kind", sort=False)["pixel_rho"].max()
    rho = ", ".join(f"{value:+.2f} with {SHORT[kind]}" for kind, value in pixels.items())
    return (
        f"Of {len(end)} degree distributions after {table['rewiring'].max()} rewirings {told}; the degrees of pixels "
        f"follow their variance with ρ = {rho}."
    )


def _unused(end: pd.DataFrame) -> list[str]:
    """Say how many neurons are left without an edge in the core."""
    core = end[(end["graph"] == "core") & (end["kind"] != "blind") & end["layer"].str.endswith(", in")]
    told = [f"{one.isolated} of {one.n} ({one.layer}; {SHORT[one.kind]})" for one in core.itertuples()]
    return [f"Hidden neurons that no edge of the core enters any more: {', '.join(told)}."]


def figures(table: pd.DataFrame, folder: str | os.PathLike[str]) -> dict[str, Figure]:
    """Return the figures of the section by the names of their files.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`run`.
    folder : path
        That it was run in.

    Returns
    -------
    dict of str to matplotlib.figure.Figure
    """
    from nngraph import plot

    records = {kind: Record.load(Path(folder) / f"{kind}.npz") for kind in dict.fromkeys(table["kind"])}
    trained = [kind for kind in records if kind != "blind"]
    first = records[trained[0]]
    side = round(len(first.pixel_variance) ** 0.5)
    pixels = {"variance of the pixel": first.pixel_variance, "start": first.degrees["regrown", 0, "source"][0]}
    for kind in trained:
        pixels |= {f"{graph}, {SHORT[kind]}": records[kind].degrees[graph, 0, "source"][-1] for graph in GRAPHS}
    if "blind" in records:
        pixels["node-blind"] = records["blind"].degrees["regrown", 0, "source"][-1]
    panels = {}
    for graph, block, end in [key for key in first.degrees if key[0] == "core"]:
        shown = {"start": first.degrees["regrown", block, end][0]}
        shown |= {f"core, {SHORT[kind]}": records[kind].degrees[graph, block, end][-1] for kind in trained}
        sizes = [first.degrees[graph, block, one].shape[1] for one in ("source", "target")]
        panels[_layer(sizes, 0, end)] = shown, sizes[end == "source"]
    return {
        "variances": plot.variance_ratios(table.assign(kind=table["kind"].map(SHORT))),
        "degrees": plot.degree_changes(panels),
        "pixels": plot.pixel_maps({name: k.reshape(side, side) for name, k in pixels.items()}),
    }
