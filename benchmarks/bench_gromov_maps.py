"""The map of the 31 taps of the modular network 0, exact and screened, beside POT's default call for each pair.

``NNGRAPH_SIZES`` holds the numbers of samples, "150 500" by default. POT solves every pair at 150, and a sample of
them, drawn with a fixed seed, above; its time for the whole map is then extrapolated.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

import numpy as np
import ot
from scipy.stats import spearmanr

from nngraph.similarity import GromovMap, _clouds, gromov_map
from nngraph.similarity._permutations import Distances, solve

PAIRS = {150: 465, 500: 60, 1000: 14}
"""How many of the 465 pairs POT solves, by the number of samples; 60 at any other number."""


def taps(n: int) -> dict[str, np.ndarray]:
    """Return n of all 3481 sums at every tap of the trained network."""
    from nngraph.reproduce.layer_groups import modular
    from nngraph.similarity import representations

    return dict(representations(modular.load("0"), modular.pairs(), n=n, rng=0))


def in_turn(reps: Mapping[str, np.ndarray], wanted: int) -> tuple[list[tuple[str, str]], np.ndarray, np.ndarray]:
    """Return some pairs, and (pairs, 2) CPU seconds and values of ours and of POT, asked in turn."""
    names = list(reps)
    squares = {name: Distances(_clouds.distances(name, x)) for name, x in reps.items()}
    pairs = [(row, column) for k, row in enumerate(names) for column in names[k + 1 :]]
    pairs = [pairs[k] for k in np.sort(np.random.default_rng(1).permutation(len(pairs))[:wanted])]
    seconds, values = np.zeros((len(pairs), 2)), np.zeros((len(pairs), 2))
    for k, (row, column) in enumerate(pairs):
        D, E = squares[row], squares[column]
        for side, call in enumerate(
            (
                lambda D=D, E=E: solve(D, E).value,
                lambda D=D, E=E: ot.gromov_wasserstein2(D.D, E.D),
            )
        ):
            began = time.process_time()
            values[k, side] = call()
            seconds[k, side] = time.process_time() - began
    return pairs, seconds, values


def timed(reps: Mapping[str, np.ndarray], **options: object) -> tuple[GromovMap, float]:
    began = time.process_time()
    found = gromov_map(reps, **options)  # type: ignore[arg-type]
    return found, time.process_time() - began


def upper(table: object) -> np.ndarray:
    values = np.asarray(table, dtype=float)
    return values[np.triu_indices(len(values), 1)]


def compare(n: int) -> None:
    reps = taps(n)
    gromov_map({name: x[:20] for name, x in list(reps.items())[:4]}, starts=("identity",))  # loads compiled kernels
    pairs, seconds, values = in_turn(reps, PAIRS.get(n, 60))
    n_pairs = len(reps) * (len(reps) - 1) // 2
    pot = seconds[:, 1].sum() * n_pairs / len(pairs)
    sample = "all of them" if len(pairs) == n_pairs else f"{len(pairs)} of them, drawn with a fixed seed"
    print(f"n = {n}: {len(reps)} taps, {n_pairs} pairs; POT on {sample}, in turn with ours")
    print(
        f"  two starts: {1e3 * seconds[:, 0].mean():.1f} ms a pair, POT's default {1e3 * seconds[:, 1].mean():.1f}: "
        f"{seconds[:, 1].sum() / seconds[:, 0].sum():.1f}x; POT for the whole map {pot:.1f} s"
        f"{'' if len(pairs) == n_pairs else ', extrapolated'}",
        flush=True,
    )
    found: dict[str, GromovMap] = {}
    for what, options in {
        "exact, no sweep": {"sweeps": 0},
        "exact, swept": {},
        "screened": {"exact": False},
        "neighbours only": {"exact": 0.0},
    }.items():
        found[what], took = timed(reps, **options)
        if "exact" in what:
            ours = np.array([found[what].squared.loc[pair] for pair in pairs])
            above = ours > values[:, 1] * (1 + 1e-6)
            text = (
                f"not above POT on {100 * np.mean(~above):.1f} % of pairs, lower on "
                f"{100 * np.mean(ours < values[:, 1] * (1 - 1e-6)):.1f} %; mean objective "
                f"{100 * (ours.mean() / values[:, 1].mean() - 1):+.2f} %, mean log-ratio "
                f"{100 * np.log(ours / values[:, 1]).mean():+.1f} %; {found[what].triangle_violations()} violations, "
                f"{found[what].sweeps} sweeps"
            )
            for pair, ratio in zip(np.array(pairs)[above], (ours / values[:, 1])[above], strict=True):
                text += f"\n    above: {' - '.join(pair)} by {100 * (ratio - 1):.2g} %"
        else:
            exact, screened = upper(found["exact, swept"].squared), upper(found[what].squared)
            free = ~upper(found[what].solved).astype(bool)
            over_estimates = spearmanr(exact[free], screened[free])[0]
            text = (
                f"{len(free) - free.sum()} pairs solved, rank correlation with the exact map "
                f"{spearmanr(exact, screened)[0]:.4f} ({over_estimates:.4f} over estimates; lower bound alone "
                f"{spearmanr(exact, upper(found[what].lower))[0]:.4f}), median estimate over exact "
                f"{np.median(screened[free] / exact[free]):.2f}"
            )
        print(f"  {what}: {took:.2f} s, {pot / took:.1f}x; {text}", flush=True)


def main() -> None:
    for n in os.environ.get("NNGRAPH_SIZES", "150 500").split():
        compare(int(n))


if __name__ == "__main__":
    main()
