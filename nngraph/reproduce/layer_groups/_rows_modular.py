"""Rows on the modular sums that need no map: Tables 1 and 4, the seconds of one pair, and what holds of any clouds."""

from __future__ import annotations

import itertools
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from nngraph._rng import child, generator, seed_sequence
from nngraph.reproduce._claims import save
from nngraph.reproduce.layer_groups import figures, targets
from nngraph.reproduce.layer_groups._page import kept
from nngraph.reproduce.layer_groups._row_parts import THEOREM, judged_row
from nngraph.reproduce.layer_groups.judgements import Judgement

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from nngraph.reproduce.ledger import Context, Row

__all__ = ["clouds", "known_targets"]

PAIRS = {"quick": 60, "full": 200}
"""Pairs of tokens in Table 1."""
TURNS = {"quick": 2, "full": 10}
"""Copies of every tap that are turned, moved and permuted."""
PAPER_RATIO = 24
"""2 minutes over 5 seconds."""


def known_targets(context: Context) -> list[Row]:
    """Return the rows of Table 1 (distances to targets) and Table 4 (probes)."""
    from nngraph import plot

    folder, n = context.folder, PAIRS[context.scale]
    table = kept(folder / "table1.csv", lambda: targets.table1("L", n=n, rng=context.rng))
    near = targets.nearest(table)
    heat = near.pivot_table(index=["target", "encoding"], columns="tokens", values="rank", sort=False)
    picture = save(_ranks(table, plot), folder / "targets.png")
    rows = []
    for letter, judged, (target, part) in zip(
        "abc", targets.table1_claims(near), near.groupby("target", sort=False), strict=True
    ):
        below = int((part["value"] < part["untrained_nearest"]).sum())
        beyond = part["value"] < part[["untrained_nearest", "gaussian"]].min(axis=1)
        rows.append(
            judged_row(
                f"layer-groups-01{letter}",
                "Table 1",
                judged,
                f"modular sums, Model L, {n} pairs",
                interval=(part["value"].median(), part["value"].min(), part["value"].max()),
                control=f"untrained twin: some tap of it is nearer to {target} in {len(part) - below} of {len(part)} "
                f"cells (smallest {part['untrained_nearest'].min():.4f}); a Gaussian cloud of 128 dimensions: "
                f"{part['gaussian'].min():.4f} at least; rank of the published tap among {part['of'].iloc[0]}: "
                f"{heat.loc[target].to_numpy().min():.0f} to {heat.loc[target].to_numpy().max():.0f}",
                figure=picture,
                equalled=not bool(beyond.all()),
            )
        )
    return [*rows, *_probes(context)]


def _ranks(table: pd.DataFrame, plot: Any) -> Any:
    """Draw how near every tap is to every target, by rank: a few taps are so far away that distances show nothing."""
    chosen = table[(table["source"] == "model") & (table["tokens"] == "flatten") & (table["normalize"] == "mean")]
    chosen = chosen.assign(row=chosen["target"] + " " + chosen["encoding"])
    D = chosen.pivot(index="row", columns="tap", values="squared")
    D = D.loc[list(dict.fromkeys(chosen["row"])), list(dict.fromkeys(chosen["tap"]))]
    figure = plot.layer_map(D.rank(axis=1), label="rank (1: nearest tap)").figure
    figure.set_size_inches(7.2, 3)
    return figure


def _probes(context: Context) -> list[Row]:
    folder, quick = context.folder, context.scale == "quick"
    deep = {"L": () if quick else targets.STREAMS, "E": targets.STREAMS}
    found = {
        name: kept(folder / f"table4_{name}.csv", partial(targets.table4, name, deep=blocks))
        for name, blocks in deep.items()
    }
    streams, first = list(targets.STREAMS), ["1.resid_post"]
    twin = kept(
        folder / "table4_twin.csv",
        lambda: targets.table4("L", trained=False, taps=streams, deep=[] if quick else first),
    )
    told = {target: float(targets.values_of(twin, target, "linear", "accuracy").max()) for target in ("c1", "c2", "c")}
    most = ", ".join(f"{target} {value:.3f}" for target, value in told.items())
    control = f"untrained twin, linear probe of its residual streams, at best: {most}"
    # what no linear probe reads is not hidden by training if none reads it in a network that learned nothing
    equalled = [*(told[target] == 1 for target in ("c1", "c2", "c")), max(told["c1"], told["c2"]) < 1]
    if not quick:
        deepest = {t: float(targets.values_of(twin, t, "mlp", "accuracy").max()) for t in ("c1", "c2")}
        equalled.append(min(deepest.values()) == 1)
        control += "; non-linear: " + ", ".join(f"{target} {value:.3f}" for target, value in deepest.items())
    judged = targets.table4_claims(found["L"], found["E"])
    values = [
        *(
            float(targets.values_of(found["L"], target, "linear", "accuracy")[tap])
            for target, tap in zip(("c1", "c2", "c"), targets.STREAMS, strict=True)
        ),
        *(
            min(float(targets.values_of(found["E"], target, probe, "accuracy").max()) for target in ("c1", "c2"))
            for probe in ("linear", "mlp")
        ),
    ]
    return [
        judged_row(
            f"layer-groups-04{letter}",
            "Table 4",
            one,
            f"modular sums, Model {'L' if letter in 'abc' else 'E'}, the 696 held-out pairs",
            interval=(value, None, None),
            control=control,
            equalled=same,
        )
        for letter, one, value, same in itertools.zip_longest("abcde", judged, values, equalled)
    ]


def clouds(context: Context) -> list[Row]:
    """Return the rows on the seconds of one pair, on invariance, and on the triangle inequality."""
    from nngraph import plot

    times = kept(context.folder / "seconds.csv", figures.seconds_by_size).set_index("n")
    shown = times.reset_index().assign(arm=[f"{n:,} pairs of tokens" for n in times.index])
    ax = plot.scores_by_size(shown, "seconds", size="n", label="CPU seconds of one pair of taps")
    ax.set_yscale("log")
    ax.set_xlabel("pairs of tokens")
    picture = save(cast("Figure", ax.figure), context.folder / "seconds.png")
    ratio = float(times["seconds"][3481] / times["seconds"][1000])
    above = float(times["squared"][1000] / times["squared"][3481]) - 1
    judged = Judgement(
        "with 1,000 of the 3,481 pairs a distance takes seconds where it took minutes",
        "2 minutes, then 5 seconds",
        f"the CPU seconds of one pair of taps fall by {PAPER_RATIO} times or more; in part where by 5 times",
        f"{times['seconds'][3481]:.1f} s and {times['seconds'][1000]:.2f} s: {ratio:.0f} times less",
        "holds" if ratio >= PAPER_RATIO else "holds in part" if ratio >= 5 else "does not hold",
    )
    size = judged_row(
        "layer-groups-05",
        "section on modular sums",
        judged,
        "modular sums, Model 0, taps pre and resid_post",
        interval=(ratio, None, None),
        control=f"what the smaller sample costs: the distance is {100 * above:.0f} % larger with 1,000 pairs, "
        f"{100 * (times['squared'][300] / times['squared'][3481] - 1):.0f} % with 300",
        figure=picture,
    )
    return [size, *_theorem(context, picture)]


def _theorem(context: Context, picture: str) -> list[Row]:
    from nngraph.similarity import compare
    from nngraph.similarity.gromov import gromov_wasserstein
    from nngraph.similarity.gromov_maps import gromov_map

    n, turns = PAIRS[context.scale], TURNS[context.scale]
    reps = targets.representations_of("0", n=n, rng=context.rng)
    seed = child(seed_sequence(context.rng), "turns")
    found, similar = [], []
    for tap, x in reps.items():
        for turn in range(turns):
            x = np.asarray(x, dtype=np.float64)
            other = turned(x, child(seed, tap, turn))
            solved = gromov_wasserstein(*(_distances(y) for y in (x, other)), rng=0)
            found.append(solved.value)
            similar.append(compare(x, other, "cka"))
    values = np.array(found)
    zero = float((values < 1e-9).mean())
    invariant = Judgement(
        "the distance does not see isometries of the space, nor the order of the samples",
        "a theorem",
        "from a cloud to its turned, mirrored, moved and permuted copy the solver finds an objective below 1e-9 (the "
        "mean distance is 1) for every tap; in part where for nine in ten: the theorem is of the minimum, which no "
        "solver finds for sure",
        f"{100 * zero:.0f} % of {len(values)} copies of {len(reps)} taps; largest {values.max():.2g}",
        "holds" if zero == 1 else "holds in part" if zero >= 0.9 else "does not hold",
    )
    D = gromov_map(reps, rng=0)
    plain = gromov_map(reps, sweeps=0, rng=0)
    squared = violations(D.squared.to_numpy())
    possible = len(reps) * (len(reps) - 1) * (len(reps) - 2) // 2
    triangle = Judgement(
        "the distance is a metric on clouds up to isometry",
        "a theorem",
        "the root of the objective found breaks the triangle inequality in none of the triples of taps",
        f"{D.triangle_violations()} of {possible:,} triples after the sweeps of compositions, "
        f"{plain.triangle_violations()} without them",
        "holds" if D.triangle_violations() == 0 else "does not hold",
    )
    data = f"modular sums, Model 0, {n} pairs"
    return [
        judged_row(
            "layer-groups-16",
            THEOREM,
            invariant,
            data,
            interval=(zero, None, None),
            control="CKA, which compares sample with sample, gives the same copies a similarity of "
            f"{abs(np.median(similar)):.2f} (median; 1 is the same)",
        ),
        judged_row(
            "layer-groups-17",
            THEOREM,
            triangle,
            data,
            interval=(D.triangle_violations(), None, None),
            control=f"the squared objective, which the paper plots and calls a distance: {squared:,} triples",
            figure=picture,
        ),
    ]


def turned(x: np.ndarray, rng: np.random.SeedSequence) -> np.ndarray:
    """Return a cloud turned, mirrored, moved, and with its samples in another order."""
    draw = generator(rng)
    turn, _ = np.linalg.qr(draw.standard_normal((x.shape[1], x.shape[1])))
    other: np.ndarray = (x @ turn + draw.standard_normal(x.shape[1]))[draw.permutation(len(x))]
    return other


def _distances(x: np.ndarray) -> np.ndarray:
    from nngraph.similarity._clouds import distances

    found: np.ndarray = distances("cloud", x)
    return found


def violations(D: np.ndarray) -> int:
    """Count pairs and third taps whose distances break the triangle inequality."""
    return sum(int((D[:, [k]] + D[[k], :] + 1e-9 < D).sum()) for k in range(len(D))) // 2
