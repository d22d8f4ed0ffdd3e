"""The claims of Kang et al. on lottery tickets as networks: each with a rule, what was found, and a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from nngraph.reproduce._claims import Claim
from nngraph.reproduce.lottery_tickets.measuring import POOLED
from nngraph.sparse import against_controls, decay_round, departures, precedence

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TESTED", "Study", "claims", "more_than_chance", "ordered", "study_of"]

TESTED = {
    "degrees of pixels, variance over binomial": ("degree:source_dispersion@0", "dealt"),
    "in-degrees of hidden 1, variance over binomial": ("degree:target_dispersion@0", "dealt"),
    "assortativity of degrees": ("degree_correlation:all", "dealt"),
    "in-out correlation, hidden 1": ("in_out_correlation:all:0", "dealt"),
    "in-out correlation, hidden 2": ("in_out_correlation:all:2", "dealt"),
    "spanning nodes": ("spanning:nodes", "dealt"),
    "connected input-output pairs": ("spanning:pairs", "dealt"),
    "top 1 % of pairs, share of paths": ("pathways:top", "dealt"),
    "mutual information, in and out": ("information:in_out", "dealt"),
    "mutual information, ends of edges": ("information:ends", "dealt"),
    "mean weight": ("weight:mean", "trained"),
    "mean weight over mean magnitude": ("weight:mean_over_magnitude", "trained"),
    "mean magnitude of weights": ("weight:mean_magnitude", "trained"),
}
"""The measures whose departure is tested: name, (measure, null). Chosen before the runs, but "mean weight"."""
EARLY = 2
"""A departure by this round, in the median, announces nothing: more than half of all edges are still there."""


class Study(NamedTuple):
    """All that was measured: by arm a table for each seed, with the tested measures under both nulls."""

    runs: Mapping[str, Sequence[pd.DataFrame]]
    scores: pd.DataFrame
    tails: pd.DataFrame

    @property
    def n(self) -> int:
        """Number of seeds."""
        return len(self.runs["tickets"])

    def decays(self, arm: str = "tickets") -> list[float]:
        """Return the round of decay of each seed; NaN where there is none."""
        return [decay_round(run) for run in self.runs[arm]]

    def decay_densities(self, arm: str) -> list[float]:
        """Return the density at the decay of each seed."""
        found = []
        for run, round_ in zip(self.runs[arm], self.decays(arm), strict=True):
            densities = run.drop_duplicates("round").set_index("round")["density"]
            found.append(float(densities.get(round_, np.nan)))
        return found

    def series(self, arm: str, seed: int, measure: str, column: str = "observed", null: str = "dealt") -> pd.Series:
        """Return a column of one measure of one seed by round."""
        run = self.runs[arm][seed]
        return run[(run["measure"] == measure) & (run["null"] == null)].set_index("round")[column].sort_index()


def study_of(measured: Sequence[Mapping[str, pd.DataFrame]], scores: pd.DataFrame, tails: pd.DataFrame) -> Study:
    """Add what trained controls say to the measures of all seeds.

    Tickets are held against the random networks of all seeds, the random network of a seed against those of the others.
    """
    import pandas as pd

    random = [one["random"] for one in measured]
    runs: dict[str, list[pd.DataFrame]] = {"tickets": [], "random": []}
    for seed, one in enumerate(measured):
        others = random[:seed] + random[seed + 1 :]
        for arm, controls in (("tickets", random), ("random", others)):
            runs[arm].append(pd.concat([one[arm], against_controls(one[arm], controls)], ignore_index=True))
    return Study(runs, scores, tails)


def ordered(study: Study) -> pd.DataFrame:
    """Return, for each tested measure, what comes first in tickets, by z and by size, and in the random control."""
    import pandas as pd

    rows = []
    columns = {"z": ("tickets", "z"), "size": ("tickets", "effect"), "random": ("random", "z")}
    tables = {}
    for name, (arm, by) in columns.items():
        chosen = [_certain(_tested(run)) for run in study.runs[arm]]
        tables[name] = precedence(chosen, by=by).set_index("measure")  # type: ignore[arg-type]
    late = precedence([_tested(run) for run in study.runs["tickets"]], drop=0.05).set_index("measure")
    for label, (measure, _) in TESTED.items():
        z, size, control = (tables[name].loc[measure] for name in columns)
        rows.append(
            {
                "measure": label,
                "first": int(z["first"]),
                "tie": int(z["tie"]),
                "later": int(z["later"]),
                "departure": z["departure"],
                "decay": z["decay"],
                "p": z["p"],
                "p_holm": z["p_holm"],
                "first_by_size": int(size["first"]),
                "departure_by_size": size["departure"],
                "first_in_random": int(control["first"]),
                "first_before_5_points": int(late.loc[measure, "first"]),
                "verdict": _order(study.n, z, size, control),
            }
        )
    return pd.DataFrame(rows)


def _tested(run: pd.DataFrame) -> pd.DataFrame:
    tested = set(TESTED.values())
    return run[[pair in tested for pair in zip(run["measure"], run["null"], strict=True)]]


def _certain(run: pd.DataFrame) -> pd.DataFrame:
    """Return measures whose effects are 0 where they may be chance: an effect counts with |z| > 3 alone."""
    return run.assign(effect=run["effect"].where(run["z"].abs() > 3, 0.0))


def _order(n: int, z: pd.Series, size: pd.Series, control: pd.Series) -> str:
    if z["first"] < n:
        return "not first in every seed"
    if z["departure"] <= EARLY:
        return "first, but from the first rounds on"
    if size["first"] < n:
        return "first by z, not by size"
    if control["first"] == n:
        return "first, as in the random control"
    return "first"


def claims(study: Study) -> dict[str, Claim]:
    """Judge every claim; by a short name of each."""
    by_block, pooled = _heavy_tails(study)
    return {
        "accuracy": _tickets_win(study),
        "mean weight": _weight_peak(study),
        "spanning": _spanning(study),
        "tails": by_block,
        "pooled tails": pooled,
        "information": _information(study),
        "collapse": _collapse(study),
        **_drawn(),
    }


def _tickets_win(study: Study) -> Claim:
    table = study.scores
    last = int(np.nanmin([*study.decays(), table["round"].max()]))
    texts, wins, gaps = [], [], {}
    for arm in [name for name in table["arm"].unique() if name != "tickets"]:
        both = table[table["arm"].isin(["tickets", arm]) & (table["round"] < last)]
        if arm not in set(both["arm"]):
            texts.append(f"{arm} not trained before the decay")
            continue
        wide = both.pivot(index=["seed", "round"], columns="arm", values="accuracy").dropna()
        deepest = wide.index.get_level_values("round").max()
        gap = (wide["tickets"] - wide[arm]).xs(deepest, level="round")
        gaps[arm] = gap
        wins.append(bool((gap > 0).all()))
        texts.append(f"{arm} {100 * gap.mean():.2f} (round {deepest}, {len(gap)} seeds)")
    return Claim(
        claim="A ticket is more than its density (Frankle and Carbin)",
        rule="at the last round before the decay that a control was trained at, the ticket is more accurate in every "
        "seed",
        published="more accurate than random masks and new weights (Frankle and Carbin)",
        measured="points of accuracy above: " + "; ".join(texts),
        verdict=_all(wins) if wins else "not tested",
        counts="" if wins else "does not hold",  # it decays before it could win
        seeds=study.n,
        **({"value": gaps["random"].mean(), "low": gaps["random"].min(), "high": gaps["random"].max()} if gaps else {}),
    )


def _all(held: Sequence[bool]) -> str:
    return "holds" if all(held) else "holds in part" if any(held) else "does not hold"


def _weight_peak(study: Study) -> Claim:
    held, texts, lows = [], [], []
    for seed, decay in enumerate(study.decays()):
        w = study.series("tickets", seed, "weight:mean")
        lows.append(str(w.idxmin()))
        peak = int(w.idxmax())
        held.append(_peaks(study, "tickets", seed, decay))
        texts.append(f"{peak} ({_round(decay)})")
    w = np.array([study.series("tickets", seed, "weight:mean").to_numpy() for seed in range(study.n)]).mean(0)
    random = np.array([study.series("random", seed, "weight:mean").to_numpy() for seed in range(study.n)]).mean(0)
    peaked = [_peaks(study, "random", seed, decay) for seed, decay in enumerate(study.decays("random"))]
    return Claim(
        claim="The mean weight peaks at or before the decay",
        rule="in every seed the mean weight is largest at a round that is neither the first nor the last, and not "
        "after the decay",
        measured=f"round of its largest value (of the decay) by seed: {', '.join(texts)}; of its smallest: "
        f"{', '.join(lows)}; mean over seeds {w[0]:.4f} in the "
        f"whole network, {w[-1]:.4f} at the last round, under random pruning {random[-1]:.4f}",
        verdict=_all(held),
        control=f"random pruning: mean weight {random[0]:.4f} to {random[-1]:.4f}, such a peak in {sum(peaked)} seeds",
        equalled=all(peaked),
        seeds=study.n,
        value=float(np.mean(held)),
    )


def _peaks(study: Study, arm: str, seed: int, decay: float) -> bool:
    """Tell whether the mean weight of a seed is largest at an inner round not after the decay."""
    w = study.series(arm, seed, "weight:mean")
    peak = int(w.idxmax())
    return bool(peak < w.index[-1] and (peak <= decay or np.isnan(decay)) and peak > 0)


def _round(number: float) -> str:
    return f"{number:g}" if np.isfinite(number) else "none"


def _spanning(study: Study) -> Claim:
    held, late, shares, chance, end = [], [], [], [], []
    for seed, decay in enumerate(study.decays()):
        share = study.series("tickets", seed, "spanning:edges")
        last = share.index[-1] if np.isnan(decay) else int(decay) - 1
        z = study.series("tickets", seed, "spanning:edges", "z")[last]
        shares.append(share[last])
        chance.append(study.series("tickets", seed, "spanning:edges", "mean")[last])
        held.append(bool(z > 3))
        late.append(bool(study.series("tickets", seed, "spanning:edges", "z").iloc[-1] > 3))
        end.append((share.iloc[-1], study.series("tickets", seed, "spanning:edges", "mean").iloc[-1]))
    verdict = "only after the decay" if all(late) and not any(held) else _all(held)
    return Claim(
        claim="A ticket keeps a spanning subnetwork",
        rule="at the last round before the decay more edges lie on paths from inputs to outputs than in random masks "
        "of the same densities, with z > 3 in every seed; only after the decay if that is so at the last round alone",
        measured=f"{100 * np.mean(shares):.1f} % of the edges ({100 * min(shares):.1f} to {100 * max(shares):.1f} over "
        "seeds), "
        f"{100 * np.mean(chance):.1f} % in random masks; at the last round "
        f"{100 * np.mean(end, axis=0)[0]:.1f} % against {100 * np.mean(end, axis=0)[1]:.1f} %",
        verdict=verdict,
        counts="holds in part" if verdict == "only after the decay" else "",
        control=f"random masks of the same densities: {100 * np.mean(chance):.1f} %",
        seeds=study.n,
        value=float(np.mean(shares)),
        low=float(min(shares)),
        high=float(max(shares)),
    )


def _heavy_tails(study: Study) -> tuple[Claim, Claim]:
    table = study.tails
    single, pooled = table[table["sequence"] != POOLED], table[table["sequence"] == POOLED]
    counts = single["verdict"].value_counts()
    heavy = single[single["verdict"] == "heavy-tailed"]
    n_seeds = table["seed"].nunique()
    per_sequence = heavy.groupby(["round", "sequence"])["seed"].nunique()
    most = bool((per_sequence > n_seeds / 2).any())
    low = pooled["alpha"].between(1.5, 4)
    text = (
        f"alpha from {pooled['alpha'].min():.2f} to {pooled['alpha'].max():.2f}, between 1.5 and 4 in {int(low.sum())} "
        f"of {len(pooled)} fits; verdicts: "
        + ", ".join(f"{k} {v}" for k, v in pooled["verdict"].value_counts().items())
    )
    rounds = ", ".join(map(str, sorted(table["round"].unique())))
    by_layer = Claim(
        claim="Degrees become heavy-tailed",
        rule="by the tail verdict of each block and side, never pooled: some sequence is heavy-tailed at some round in "
        "more than half of the seeds",
        published="they do; no number",
        measured=f"of {len(single)} sequences (rounds {rounds}; {n_seeds} seeds): "
        + ", ".join(f"{name} {count}" for name, count in counts.items()),
        verdict="holds" if most else "holds in part" if len(heavy) else "does not hold",
        control=f"all degrees pooled, which is no test: {text}",
        seeds=n_seeds,
        value=len(heavy) / len(single),
    )
    would = Claim(
        claim="The same of all degrees pooled, which is not a test",
        rule="stated to show what pooling layers of different sizes does; no verdict rests on it",
        measured=text,
        verdict="not judged",
    )
    return by_layer, would


def _information(study: Study) -> Claim:
    label = "information:in_out"
    rises = [_rise(run, label) for run in study.runs["tickets"]]
    before, last, stays, at = [], [], [], []
    for seed, (rise, decay) in enumerate(zip(rises, study.decays(), strict=True)):
        value, z = (study.series("tickets", seed, label, column) for column in ("observed", "z"))
        before.append(rise < (np.inf if np.isnan(decay) else decay))
        stays.append(bool(z.iloc[-1] > 3))
        last.append((value.iloc[-1], z.iloc[-1]))
        if before[-1]:
            at.append((value[rise], study.series("tickets", seed, label, "mean")[rise]))
    verdict = "does not hold"
    if any(before) and any(stays):
        verdict = _all(before + stays)
    elif any(before):
        verdict = "rises, then vanishes" if all(before) else "rises in part, then vanishes"
    found = f"above random masks before the decay in {sum(before)} of {study.n} seeds"
    if at:
        ours, chance = np.mean(at, axis=0)
        found += f", from round {', '.join(map(_round, rises))} by seed, there {ours:.3f} nats against {chance:.3f}"
    end, z = np.mean(last, axis=0)[0], np.nanmedian(last, axis=0)[1]
    random = sum(bool(np.isfinite(_rise(run, label))) for run in study.runs["random"])
    return Claim(
        claim="Mutual information rises as a network is pruned",
        rule="in every seed the information between the in- and the out-degree of hidden nodes is above that of random "
        "masks (z > 3) in two consecutive rounds the first of which is before the decay, and at the last round; it "
        "rises, then vanishes if the former is so (in part: in some of the seeds), and the latter in none",
        measured=f"{found}; at the last round {end:.3f} nats on average (median z {z:+.1f}), above in {sum(stays)} "
        f"seeds; under random pruning above at some round in {random} of {study.n} seeds",
        verdict=verdict,
        counts="holds in part" if "vanishes" in verdict else "",
        control=f"random pruning: above random masks at some round in {random} of {study.n} seeds",
        equalled=random == study.n,
        seeds=study.n,
        value=sum(before) / study.n,
    )


def _rise(run: pd.DataFrame, measure: str) -> float:
    """Return the first of two consecutive rounds in which a measure is above random masks; infinity if none is."""
    one = run[(run["measure"] == measure) & (run["null"] == "dealt")]
    found = departures(one.assign(z=one["z"].clip(lower=0.0)))["round"].iloc[0]
    return float("inf") if np.isnan(found) else float(found)


def _collapse(study: Study) -> Claim:
    table = ordered(study)
    clean = table[table["verdict"] == "first"]
    sure = clean[clean["p_holm"] < 0.05]
    order = {arm: _first(study, arm) for arm in ("tickets", "random")}
    joint = order["tickets"][2] < 0.05
    least = len(TESTED) * 0.5**study.n
    verdict, counts = "does not hold", ""
    if joint and len(clean) > len(TESTED) / 2:
        verdict = "holds"
    elif len(sure) or (len(clean) and joint and order["random"][2] >= 0.05):
        verdict = "holds in part"
    elif least >= 0.05 and len(clean):
        verdict, counts = "undecided", "holds in part"
    named = f" ({'; '.join(clean['measure'])})" if len(clean) else ""
    near = table[(table["p_holm"] < 0.05) & (table["first"] < study.n)]
    missed = ", ".join(f"{r.measure} ({r.first} first, {r.tie} tied, {r.later} later)" for r in near.itertuples())
    first = {by: int((table[by] == study.n).sum()) for by in ("first", "first_by_size")}
    middle = {
        by: float(np.median([_median_departure(run, by) for run in study.runs["tickets"]])) for by in ("z", "effect")
    }
    decay = float(np.median([np.inf if np.isnan(x) else x for x in study.decays()]))
    by_chance = int((table["first_in_random"] == study.n).sum())
    return Claim(
        claim="Measures change before the network collapses",
        rule="more than half of the measures depart before the decay in every seed, without a reservation, and the "
        "median measure departs before it by one sign test for all, over seeds, with p < 0.05; in part if at least one "
        "departs so, significantly by Holm or by the sign test where random pruning does not pass it; undecided where "
        "at least one does, not significantly, and Holm needs more seeds; does not hold otherwise",
        measured=f"of {len(TESTED)} measures {first['first']} are first in every seed by z, "
        f"{first['first_by_size']} by size; "
        f"{len(clean)} without a reservation{named}, {len(sure)} with p < 0.05 by Holm"
        + ("" if least < 0.05 else f" ({study.n} seeds cannot reach it: {least:.3f} at best)")
        + f"; the median measure departs {_told(order['tickets'])}"
        + (f"; significant, though not first in every seed: {missed}" if missed else "")
        + f"; the median measure departs in round {_round(middle['z'])} by z, {_round(middle['effect'])} by size, the "
        f"network decays in round {_round(decay)} (medians over seeds)",
        verdict=verdict,
        counts=counts,
        control=f"random pruning: {by_chance} of {len(TESTED)} measures are first in every seed; the median measure "
        f"departs {_told(order['random'])}",
        seeds=study.n,
        value=float(len(clean)),
    )


def _median_departure(run: pd.DataFrame, by: Literal["z", "effect"]) -> float:
    return float(departures(_certain(_tested(run)), by=by)["round"].fillna(np.inf).median())


def more_than_chance(study: Study) -> Claim:
    """Judge the order by one test for all measures, which needs fewer seeds than a correction for many."""
    counted = {arm: _first(study, arm) for arm in ("tickets", "random")}
    told = {arm: f"{first} first, {later} later (p = {p:.3f})" for arm, (first, later, p) in counted.items()}
    open_ = _powerless(counted["tickets"])
    sure = {arm: p < 0.05 for arm, (_, _, p) in counted.items()}
    verdict, counts = "does not hold", ""
    if sure["tickets"]:
        verdict = "holds in part" if sure["random"] else "holds"
    elif open_:
        first, later, _ = counted["tickets"]
        verdict, counts = "undecided", "holds in part" if first > later else "does not hold"
    return Claim(
        claim="The median measure changes before the collapse more often than by chance",
        rule="a one-sided sign test over seeds: the measure in the middle of all departs (by z) before the decay, with "
        "p < 0.05; in part if it does so under random pruning too; undecided where the seeds that are no ties "
        "cannot reach that p",
        published="not in the paper",
        measured=f"{told['tickets']} of {study.n} seeds, ties left out"
        + (f" ({sum(counted['tickets'][:2])} seeds cannot reach it)" if open_ else ""),
        verdict=verdict,
        counts=counts,
        control=f"random pruning: {told['random']}",
        seeds=study.n,
        value=counted["tickets"][2],
    )


def _powerless(counted: tuple[int, int, float]) -> bool:
    """Tell whether a sign test of so many seeds could not have p < 0.05 whatever their signs."""
    return 0.5 ** sum(counted[:2]) >= 0.05


def _told(counted: tuple[int, int, float]) -> str:
    first, later, p = counted
    return f"before the decay in {first} seeds, after it in {later} (p = {p:.3f})"


def _first(study: Study, arm: str) -> tuple[int, int, float]:
    """Return in how many seeds the median measure departs before the decay, in how many after, and p by chance."""
    from scipy.stats import binomtest

    decays = np.nan_to_num(study.decays(arm), nan=np.inf)
    departures_ = np.array([_median_departure(run, "z") for run in study.runs[arm]])
    first, later = int((departures_ < decays).sum()), int((departures_ > decays).sum())
    p = float(binomtest(first, first + later, alternative="greater").pvalue) if first + later else 1.0
    return first, later, p


def _drawn() -> dict[str, Claim]:
    drawn: dict[str, Any] = {
        "rule": "a picture, without a statement that could fail; drawn here of the networks of this study",
        "verdict": "not judged",
    }
    return {
        "illustration": Claim(
            claim="Kang's illustration of the measures", measured="the figure of measures below", **drawn
        ),
        "layered": Claim(
            claim="Kang's layered network and its spanning subnetwork", measured="the last figure below", **drawn
        ),
    }
