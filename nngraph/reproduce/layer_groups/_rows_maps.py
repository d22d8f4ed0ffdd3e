"""Rows on the maps of the modular-sum networks: Figures 3, 4 and 9, and what the paper does not ask of them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nngraph.reproduce._claims import save
from nngraph.reproduce.layer_groups import figures, modular
from nngraph.reproduce.layer_groups._page import kept
from nngraph.reproduce.layer_groups._row_parts import judged_row
from nngraph.reproduce.layer_groups.judgements import Judgement, degree
from nngraph.reproduce.layer_groups.targets import representations_of

if TYPE_CHECKING:
    import pandas as pd

    from nngraph.reproduce.ledger import Context, Row
    from nngraph.similarity.gromov_maps import GromovMap

__all__ = ["maps"]

NAMES = ("0", "E", "L")
PAIRS = {"quick": 60, "full": 150}
"""Pairs of tokens in the maps; the paper has 1,000."""
OTHERS = ("rsa", "rsm", "cka", "msid")
"""The other measures of Figures 4 and 9. AGW is not among them: it couples the dimensions of every two taps by a linear
program, up to seconds for each of 4,278 pairs; the rows on vision have it."""
CHEAPER = ("cka", "rsa", "depth")
TWINS = {"quick": 3, "full": 8}
RSM_SCALE, RSM_PAIRS = 2e5, 1000
"""The scale of the published map of RSM, and the samples that it is of."""
Maps = Mapping[str, "tuple[GromovMap, GromovMap]"]


class Blocks(NamedTuple):
    """What a map has of block structure."""

    groups: int
    p: float
    peaks: list[str]


def maps(context: Context) -> list[Row]:
    """Return all rows on maps of the modular-sum networks."""
    from nngraph import plot
    from nngraph.similarity import groups

    n, folder = PAIRS[context.scale], context.folder
    found = figures.figure3(NAMES, n=n, folder=folder, rng=context.rng)
    others = _others(context, n)
    shown = {f"{name}, GW": found[name][0].root for name in ("L", "E", "0")}
    shown |= {"L and E untrained, GW": found["L"][1].root, "L, CKA": others["cka"], "L, RSA": others["rsa"]}
    framed = {title: groups(D, k=3, method="spectral", squared=False, rng=0) for title, D in shown.items()}
    picture = save(plot.maps(shown, framed), folder / "maps.png")
    rows = [*_figure3(found, n), *_figure4(found, others, context, n), *_lacking(found, others, context, n)]
    return [row if row.figure else _with(row, picture) for row in rows]


def _with(row: Row, picture: str) -> Row:
    import dataclasses

    return dataclasses.replace(row, figure=picture)


def blocks_in(D: pd.DataFrame, *, squared: bool = False) -> Blocks:
    """Return how many contiguous groups a map has beyond a drift, the p of that, and where its steps peak."""
    from nngraph.similarity import boundaries, groups

    runs, steps = groups(D, squared=squared, rng=0), boundaries(D, squared=squared)
    return Blocks(runs.k, runs.p, list(steps.index[steps["peak"]]))


def _figure3(found: Maps, n: int) -> list[Row]:
    table = figures.figure3_claims(found)
    twin = found["L"][1]
    ari = [float(figures.against_published(found["L"][i].root)[0]) for i in (0, 1)]
    means = [_mean(part.squared.to_numpy()) for part in (found["E"][0], twin)]
    late = [_mean(part.squared.to_numpy()[64:, 64:]) / _mean(part.squared.to_numpy()) for part in found["E"]]
    twin_peaks = ", ".join(blocks_in(found["0"][1].root).peaks) or "none"
    control = (
        f"untrained twin: adjusted Rand index {ari[1]:.2f}",
        f"untrained twin: mean objective {means[1]:.3f}",
        f"untrained twin: {late[1]:.2f}",
        f"untrained twin: peaks at {twin_peaks}",
    )
    equalled = (ari[1] >= ari[0], means[1] <= means[0], late[1] < figures.FLAT, None)
    return [
        judged_row(
            f"layer-groups-02{letter}",
            "Figure 3",
            Judgement(*row),
            f"modular sums, {n} pairs",
            interval=(value, None, None),
            control=text,
            equalled=same,
        )
        for letter, row, text, value, same in zip(
            "abcd", table.itertuples(index=False), control, (ari[0], means[0], late[0], None), equalled, strict=True
        )
    ]


def _others(context: Context, n: int) -> dict[str, pd.DataFrame]:
    """Return the maps of Model L under the other measures, on the same pairs, with the seconds of each."""
    import pandas as pd

    from nngraph.similarity import matrix

    reps, found = representations_of("L", n=n, rng=context.rng), {}
    for measure in OTHERS:
        file = context.folder / f"L-{measure}.csv"

        def mapped(measure: str = measure) -> pd.DataFrame:
            started = time.process_time()
            D = matrix(reps, measure, undefined="nan")
            return D.rename_axis("tap").reset_index().assign(seconds=time.process_time() - started)

        table = kept(file, mapped).set_index("tap")
        D = table.drop(columns="seconds").apply(pd.to_numeric, errors="coerce")
        D.attrs["seconds"] = float(table["seconds"].iloc[0])
        found[measure] = D
    return found


def _figure4(found: Maps, others: Mapping[str, pd.DataFrame], context: Context, n: int) -> list[Row]:
    whole = {measure: D for measure, D in others.items() if D.notna().all(axis=None)}
    scores = {"gw": figures.against_published(found["L"][0].root)}
    scores |= {measure: figures.against_published(D) for measure, D in whole.items()}
    own, chance = float(scores["gw"][0]), float(np.quantile(scores["gw"], 0.95))
    rest = {measure: float(score[0]) for measure, score in scores.items() if measure != "gw"}
    best = max(rest.values())
    listed = ", ".join(f"{measure.upper()} {score:.2f}" for measure, score in rest.items())
    gaps = ", ".join(measure for measure in others if measure not in whole)
    clearest = Judgement(
        "the groups of Model L stand out in the map of GW, and not in those of RSA, RSM, CKA and MSID",
        "by eye",
        "the adjusted Rand index of three spectral groups with the published ones is larger for GW than for every "
        "other measure, and than for 95 % of the published groups moved along the taps; in part where it is larger "
        "than for most",
        f"GW {own:.2f} (95 % of moved groups: {chance:.2f}); {listed}" + (f"; not defined: {gaps}" if gaps else ""),
        "holds"
        if own > max(best, chance)
        else "holds in part"
        if own > np.median(list(rest.values()))
        else "does not hold",
    )
    size = RSM_PAIRS if context.scale == "full" else 4 * n
    largest = largest_rsm(representations_of("L", n=size, rng=context.rng)) * RSM_PAIRS / size
    scale = Judgement(
        "distances of RSM depend on the scale of activations and reach 200,000",
        "2e5",
        "the largest, taken to 1,000 samples (it grows as their number), is within a factor of 10; what it is depends "
        "on the training of the network",
        f"{largest:.3g}, from {size} pairs",
        "holds" if RSM_SCALE / 10 <= largest <= RSM_SCALE * 10 else "does not hold",
    )
    twin = largest_rsm(representations_of("L", trained=False, n=size, rng=context.rng)) * RSM_PAIRS / size
    data = f"modular sums, Model L, {n} pairs"
    of_twin = float(figures.against_published(found["L"][1].root)[0])
    return [
        judged_row(
            "layer-groups-03a",
            "Figures 4, 9",
            clearest,
            data,
            interval=(own, None, None),
            control=f"untrained twin under GW: {of_twin:.2f}; AGW is too slow for 93 taps, see the rows on vision",
            equalled=of_twin >= own,
        ),
        judged_row(
            "layer-groups-03b",
            "Figure 9",
            scale,
            f"modular sums, Model L, {size} pairs",
            interval=(largest, None, None),
            control=f"untrained twin: {twin:.3g}",
            equalled=RSM_SCALE / 10 <= twin <= RSM_SCALE * 10,
        ),
    ]


def largest_rsm(reps: Mapping[str, Any]) -> float:
    """Return the largest norm of the difference of the distances between samples of two taps."""
    from scipy.spatial.distance import cdist, pdist

    vectors = np.stack([pdist(np.asarray(x, dtype=np.float32)).astype(np.float32) for x in reps.values()])
    return float(cdist(vectors, vectors).max())


def _lacking(found: Maps, others: Mapping[str, pd.DataFrame], context: Context, n: int) -> list[Row]:
    return [_starts(found, context, n), _untrained(found, context, n), _cheaper(found, others, context, n)]


def _starts(found: Maps, context: Context, n: int) -> Row:
    """Return the row on Gromov-Wasserstein from two starts: values, groups and peaks."""
    from nngraph.similarity import adjusted_rand, groups
    from nngraph.similarity.gromov_maps import gromov_map

    texts, worse, alike, same = [], [], [], []
    for name in ("0", "L"):
        reps = representations_of(name, n=n, rng=context.rng)
        one, two = (
            gromov_map(reps, starts=(start,), sweeps=0, folder=context.folder / f"{name}-{start}", rng=0)
            for start in ("product", "identity")
        )
        upper = np.triu_indices(len(reps), 1)
        a, b = (part.squared.to_numpy()[upper] for part in (one, two))
        best = found[name][0].squared.to_numpy()[upper]
        apart = abs(a - b) > 0.01 * np.minimum(a, b)
        above = float((a > 1.01 * best + 1e-12).mean())
        cut = [groups(part.root, k=3, method="spectral", squared=False, rng=0) for part in (one, two)]
        runs = [groups(part.root, k=3, squared=False, rng=0).members for part in (one, two)]
        starts_at = [[taps[0] for taps in members[1:]] for members in runs]
        peaks = [blocks_in(part.root).peaks for part in (one, two)]
        ari = adjusted_rand(*cut)
        worse.append(above)
        same.append(starts_at[0] == starts_at[1] and peaks[0] == peaks[1])
        alike.append(ari)
        ratio = np.maximum(a, b)[apart] / np.maximum(np.minimum(a, b)[apart], 1e-12)
        texts.append(
            f"{name}: the starts end more than 1 % apart in {100 * apart.mean():.0f} % of {len(a):,} pairs (there by "
            f"{np.median(ratio):.2f} times in the median), product above the best found in {100 * above:.0f} %; "
            f"three spectral groups of the two maps: adjusted Rand index {ari:.2f}; three contiguous ones begin at "
            f"{' and '.join(starts_at[0])} or at {' and '.join(starts_at[1])}; "
            f"peaks at {', '.join(peaks[0]) or 'none'} or at {', '.join(peaks[1]) or 'none'}"
        )
    judged = Judgement(
        "one start of the solver is enough",
        "not asked: one start, the product of the weights, is taken",
        "in both networks at most 5 % of pairs end more than 1 % above the best found, and from the identity the same "
        "groups begin at the same taps, with the same peaks; in part where one of both",
        "; ".join(texts),
        degree(int(max(worse) <= 0.05) + int(all(same)), 2),
    )
    return judged_row(
        "layer-groups-x1",
        "not in the paper",
        judged,
        f"modular sums, Models 0 and L, {n} pairs",
        interval=(max(worse), None, None),
        control="the same samples, normalised alike: all that differs is the start; the best found is that of both "
        "starts and of sweeps of compositions",
    )


def _untrained(found: Maps, context: Context, n: int) -> Row:
    """Return the row on block structure in untrained networks."""
    from nngraph.similarity.gromov_maps import gromov_map
    from nngraph.similarity.taps import representations

    twins = {"0": blocks_in(found["0"][1].root), "L and E": blocks_in(found["L"][1].root)}
    rows = modular.pairs()
    for seed in range(1, TWINS[context.scale]):
        reps = representations(modular.network("0", seed).eval(), rows, n=n, rng=context.rng)
        twins[f"0, seed {seed}"] = blocks_in(gromov_map(reps, folder=context.folder / f"twin-{seed}", rng=0).root)
    trained = {name: blocks_in(found[name][0].root) for name in NAMES}
    grouped, peaked = (
        sum(map(bool, found)) for found in zip(*((t.groups > 1, t.peaks) for t in twins.values()), strict=True)
    )
    judged = Judgement(
        "block structure comes from training: the map of an untrained network has none",
        "not asked of these networks; said of ResNet9 by eye",
        "no untrained network has more than one contiguous group beyond a drift (p at most .05), and none a peak of "
        "its steps; in part where none has the one or none the other",
        f"{len(twins)} untrained networks: {grouped} with groups, {peaked} with peaks ("
        + "; ".join(f"{name}: {_told(one)}" for name, one in twins.items())
        + ")",
        degree(int(grouped == 0) + int(peaked == 0), 2),
    )
    return judged_row(
        "layer-groups-x2",
        "not in the paper",
        judged,
        f"modular sums, {n} pairs",
        seeds=len(twins),
        interval=(peaked / len(twins), None, None),
        equalled=all(one.groups == 1 and not one.peaks for one in trained.values()),
        control="trained networks: " + "; ".join(f"{name}: {_told(one)}" for name, one in trained.items()),
    )


def _told(one: Blocks) -> str:
    p = "" if np.isnan(one.p) else f" (p {one.p:.3f})"
    return f"{one.groups} group{'s' if one.groups > 1 else ''}{p}, peaks at {', '.join(one.peaks) or 'none'}"


def _cheaper(found: Maps, others: Mapping[str, pd.DataFrame], context: Context, n: int) -> Row:
    """Return the row on groups by cheaper measures, and by depth alone."""
    import pandas as pd

    from nngraph.similarity import adjusted_rand, groups, matrix
    from nngraph.similarity.gromov_maps import gromov_map

    def cut(D: pd.DataFrame) -> Any:
        return groups(D, k=3, method="spectral", squared=False, rng=0)

    texts, won, beaten = [], 0, []
    for name in NAMES:
        reps = representations_of(name, n=n, rng=context.rng)
        own = cut(found[name][0].root)
        again = representations_of(name, n=n, rng=context.rng + 1)
        ceiling = adjusted_rand(own, cut(gromov_map(again, folder=context.folder / f"{name}-again", rng=0).root))
        taps = list(reps)
        apart = pd.DataFrame(abs(np.subtract.outer(np.arange(len(taps)), np.arange(len(taps)))), taps, taps)
        maps = {"depth": apart} | {
            m: others[m] if name == "L" else matrix(reps, m, undefined="nan") for m in CHEAPER if m != "depth"
        }
        scores = {m: adjusted_rand(own, cut(maps[m].astype(float))) for m in CHEAPER if maps[m].notna().all(axis=None)}
        won += ceiling > max(scores.values())
        beaten.append(ceiling - max(scores.values()))
        texts.append(
            f"{name}: GW on other pairs {ceiling:.2f}, " + ", ".join(f"{m} {score:.2f}" for m, score in scores.items())
        )
    seconds = float(np.nansum(np.triu(found["L"][0].seconds.to_numpy(), 1)))
    judged = Judgement(
        "what groups GW finds no cheaper measure finds",
        "not asked: maps are compared by eye",
        "in every network three spectral groups of GW agree better (adjusted Rand index) with those of GW on other "
        "pairs than with those of CKA, of RSA, and of the distance in depth, which knows no data; in part where in "
        "some",
        "; ".join(texts),
        degree(won, len(NAMES)),
    )
    return judged_row(
        "layer-groups-x3",
        "not in the paper",
        judged,
        f"modular sums, {n} pairs",
        seeds=len(NAMES),
        interval=(float(np.median(beaten)), min(beaten), max(beaten)),
        control=f"seconds of the map of L: GW {seconds:.1f} (by the clock, without sweeps), "
        + ", ".join(f"{m.upper()} {others[m].attrs['seconds']:.2f}" for m in CHEAPER if m != "depth"),
    )


def _mean(values: np.ndarray) -> float:
    return float(values[np.triu_indices(len(values), 1)].mean())
