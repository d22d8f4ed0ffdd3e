"""What the paper claims, asked of the trajectories: tables, rules and verdicts, all computed."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nngraph._progress import progress
from nngraph._rng import child, generator, seed_sequence
from nngraph.dynamics import Ranking, line_graph, line_graph_size, rank_models
from nngraph.dynamics._ranking import spearman
from nngraph.reproduce._claims import Claim
from nngraph.training import mlp

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Study"]

START, STOP = 1, 5
LATER = 10
STARTS, STOPS = (0, 1, 2, 4, 8), (3, 5, 8, 12)
FITTED = 0.99
"""Accuracy on the probe batch from which a network counts as one that fits its samples."""
SHRUNK = 0.1
PUBLISHED = 0.92
STEADY = (0.05, 0.1)
"""Spreads of rho up to which a ranking hangs little on something, and somewhat."""
JUDGED = ("beta_eff = 0", "mean accuracy", "last accuracy")
FIRST, SAMPLES = "first epochs", "training samples"
LEAST = 8
"""Candidates that a setting has to have to be ranked."""
VARIANTS = {"frozen": "beta_eff", "absolute": "absolute", "hessian": "hessian"}
"""Of beta_eff, and the columns of trajectories that have them."""
COUNTED = ((7, 5, 4, 3), (3, 2, 2), (4, 6, 3), (5, 3, 2, 4, 3), (2, 8, 2), (6, 1, 5, 3))
"""Layers of the small networks whose line graphs are counted."""
BETTER, WORSE = "better than the last accuracy", "worse than the last accuracy"
STEADILY = (
    f"holds if the interval of the spread of rho over the {{}} ends by {STEADY[0]}; in part if by {STEADY[1]}; does "
    f"not hold if it starts above {STEADY[1]}; undecided otherwise; mean and last accuracy are judged alike"
)
RULES = {
    "the line graph has an edge for every two weights that meet in a neuron, one entering it and one leaving": (
        "holds if in each of six small networks the sum of in- times out-degrees of the hidden neurons is the number "
        "of such pairs of weights counted one by one, and the number of edges of the line graph that igraph makes"
    ),
    "beta_eff tends to 0 as training ends": (
        f"holds if abs(beta_eff) at the end is below {SHRUNK} of its median over epochs 1 to 3 in nine of ten networks "
        f"that fit the probe batch (accuracy of at least {FITTED}) and of those that do not; in part if in half of "
        "either kind"
    ),
    f"beta_eff = 0 predicts the ranking of seven types of models (rho = {PUBLISHED})": (
        f"holds if rho is at least {PUBLISHED}; in part if its interval reaches there"
    ),
    "the prediction at beta_eff = 0 is the final accuracy (.871 for .868)": (
        "holds if half of the candidates are off by at most .01; in part if the mean error is less than that of the "
        "last accuracy, with an interval that leaves out 0"
    ),
    "the ranking hangs little on the epoch that it starts with (Fig. 3b)": STEADILY.format("first epochs"),
    "the ranking hangs little on the size of the training set (Fig. 3c)": STEADILY.format("sizes"),
    "beta_eff ranks candidates on every data set (Fig. 4)": (
        "holds if the interval of rho lies above 0 on every data set, and in part if on some"
    ),
    "beta_eff ranks better than cheaper predictors": (
        "holds if the interval of the difference from the last accuracy lies above 0 in most settings; in part if in "
        "one; does not hold otherwise"
    ),
}
"""Every claim, and when it holds. The wording of what the paper concludes from its Figures 3b and 3c is ours."""


class Study:
    """The tables of :func:`nngraph.reproduce.capacitance.runs.train`, and what follows from them.

    Parameters
    ----------
    runs, trajectories : pandas.DataFrame
        As trained, or as they come with the package.
    n_boot : int
        Draws of architectures for each interval.
    """

    def __init__(self, runs: pd.DataFrame, trajectories: pd.DataFrame, *, n_boot: int = 1000) -> None:
        self.runs, self.n_boot = runs.set_index("run"), n_boot
        joined = trajectories.merge(runs[["run", "n_parameters"]], on="run")
        self.tables = {run: rows.reset_index(drop=True) for run, rows in joined.groupby("run")}
        """The trajectory of each run."""

    @property
    def settings(self) -> list[tuple[str, str]]:
        """Part and task of every set of candidates that is large enough to be ranked."""
        found = self.runs[self.runs["part"] != "size"].groupby(["part", "task"], sort=False)["candidate"].nunique()
        return [key for key, n in found.items() if n >= LEAST]

    def chosen(self, part: str, task: str) -> pd.DataFrame:
        """Return the runs of one part and task."""
        return self.runs[(self.runs["part"] == part) & (self.runs["task"] == task)]

    @functools.cached_property
    def first_task(self) -> str:
        """The task with several seeds and sizes."""
        return str(self.runs.loc[self.runs["seed"] > 0, "task"].iloc[0])

    def ranking(
        self, rows: pd.DataFrame, *, start: int = START, stop: int = STOP, n_boot: int | None = None
    ) -> Ranking:
        """Rank some runs; those of one architecture are drawn together."""
        tables, final, groups = self.given(rows)
        n_boot = self.n_boot if n_boot is None else n_boot
        return rank_models(tables, final, start=start, stop=stop, groups=groups, n_boot=n_boot, rng=0)

    def given(self, rows: pd.DataFrame) -> tuple[dict[str, pd.DataFrame], dict[str, float], dict[str, object]]:
        """Return trajectories, final accuracies and architectures by the name of the run."""
        names = {run: f"{row.candidate}, seed {row.seed}, {row.n_train}" for run, row in rows.iterrows()}
        tables = {name: self.tables[run] for run, name in names.items()}
        final = {name: float(rows.loc[run, "final"]) for run, name in names.items()}
        return tables, final, {name: rows.loc[run, "candidate"] for run, name in names.items()}

    @functools.cached_property
    def rankings(self) -> dict[tuple[str, str, int], Ranking]:
        """Of every setting, by part, task and last epoch."""
        keys = [(*setting, stop) for setting in self.settings for stop in (STOP, LATER)]
        return {
            (part, task, stop): self.ranking(self.chosen(part, task), stop=stop)
            for part, task, stop in progress(keys, total=len(keys), label="rankings")
        }

    @functools.cached_property
    def by_epochs(self) -> dict[tuple[int, int], Ranking]:
        """Rankings of the family on the first task, by first and last epoch."""
        rows = self.chosen("family", self.first_task)
        pairs = [(start, stop) for start in STARTS for stop in STOPS if stop - start >= 2]  # a line and its noise
        return {
            (start, stop): self.ranking(rows, start=start, stop=stop, n_boot=self.n_boot // 5)
            for start, stop in progress(pairs, total=len(pairs), label="first and last epochs")
        }

    @functools.cached_property
    def by_size(self) -> dict[int, Ranking]:
        """Rankings of the family on the first task, seed 0, by the number of training samples."""
        whole = self.chosen("family", self.first_task)
        rows = self.runs.loc[[*self.chosen("size", self.first_task).index, *whole.index[whole["seed"] == 0]]]
        return {int(n): self.ranking(one, n_boot=self.n_boot // 5) for n, one in rows.groupby("n_train")}

    @functools.cached_property
    def draws(self) -> dict[str, np.ndarray]:
        """How often each architecture of the family counts: once, then as often as it is drawn."""
        names = sorted(self.chosen("family", self.first_task)["candidate"].unique())
        draw = generator(child(seed_sequence(0), "spreads"))
        counts = draw.multinomial(len(names), np.full(len(names), 1 / len(names)), size=self.n_boot)
        return {name: np.append(1, counts[:, at]) for at, name in enumerate(names)}

    @functools.cached_property
    def spreads(self) -> dict[str, pd.DataFrame]:
        """How far rho goes (largest less smallest), by first epochs and by training samples.

        One row for each of JUDGED: spread, and what the ridge has more of it, each followed by its interval of 95 %
        (_low, _high). Cells and predictors share the draws of architectures.
        """
        last = {start: one for (start, stop), one in self.by_epochs.items() if stop == STOPS[-1]}
        return {label: self._spread(cells) for label, cells in ((FIRST, last), (SAMPLES, self.by_size))}

    def _spread(self, cells: Mapping[int, Ranking]) -> pd.DataFrame:
        import pandas as pd

        architecture = self.given(self.runs)[2]
        found = {}
        for predictor in JUDGED:
            rho = []
            for cell in cells.values():
                known = cell.models.dropna(subset=[predictor])
                weights = np.stack([self.draws[str(architecture[name])] for name in known.index])
                rho.append(spearman(known[predictor].to_numpy(), known["final"].to_numpy(), weights))
            found[predictor] = np.ptp(rho, axis=0)
        rows = [_summary("spread", values) | _summary("more", found[JUDGED[0]] - values) for values in found.values()]
        return pd.DataFrame(rows, index=pd.Index(JUDGED, name="predictor"))

    def more(self, predictor: str) -> dict[str, float]:
        """Return what rho of the ridge is more than that of another predictor, on the networks that have both.

        Of the family on the first task: more with its interval of 95 % (_low, _high), rho, trivial (that of the other),
        and n networks.
        """
        architecture = self.given(self.runs)[2]
        known = self._main().models.dropna(subset=[JUDGED[0], predictor])
        weights = np.stack([self.draws[str(architecture[name])] for name in known.index])
        ranked = {
            name: spearman(known[name].to_numpy(), known["final"].to_numpy(), weights)
            for name in (JUDGED[0], predictor)
        }
        of_ridge, trivial = ranked.values()
        ends = {"rho": float(of_ridge[0]), "trivial": float(trivial[0]), "n": float(len(known))}
        return _summary("more", of_ridge - trivial) | ends

    @functools.cached_property
    def by_variant(self) -> dict[str, Ranking]:
        """Rankings of the networks that have every variant of beta_eff, by each."""
        rows = self.chosen("family", self.first_task)
        tables, final, groups = self.given(rows[rows["seed"] == 0])
        return {
            variant: rank_models(
                {name: one.assign(beta_eff=one[column]) for name, one in tables.items()},
                final, start=START, stop=STOP, groups=groups, n_boot=self.n_boot, rng=0,
            )
            for variant, column in VARIANTS.items()
        }  # fmt: skip

    @functools.cached_property
    def vanishing(self) -> pd.DataFrame:
        """How beta_eff shrinks, for networks that fit the probe batch and for those that do not.

        One row for each variant, part, task and kind: medians over networks of abs(beta_eff) at the start of training,
        early (the median of epochs 1 to 3) and at the end; shrunk, the share of networks in which the end is below a
        tenth of early; n.
        """
        import pandas as pd

        rows = []
        for run, one in self.tables.items():
            about = self.runs.loc[run]
            end = one.iloc[-1]
            for variant, column in VARIANTS.items():
                beta = one.set_index("epoch")[column].abs()
                early = beta.loc[1:3].median()
                if about["part"] == "size" or not np.isfinite([early, end[column]]).all():
                    continue
                kind = (variant, about["part"], about["task"], bool(end["probe_accuracy"] >= FITTED))
                rows.append((*kind, beta.get(0, np.nan), early, beta.iloc[-1], beta.iloc[-1] < SHRUNK * early))
        names = ["variant", "part", "task", "fits", "start", "early", "end", "shrunk"]
        table = pd.DataFrame(rows, columns=names)
        by = table.groupby(["variant", "part", "task", "fits"], sort=False)
        values = by[["start", "early", "end"]].median().assign(shrunk=by["shrunk"].mean(), n=by.size())
        return values.reset_index()

    def vanished(self, *, fits: bool) -> tuple[int, float]:
        """Return the number of networks that fit, or do not, and in what share of them beta_eff shrank tenfold."""
        rows = self.vanishing[(self.vanishing["variant"] == "frozen") & (self.vanishing["fits"] == fits)]
        n = int(rows["n"].sum())
        return n, float((rows["shrunk"] * rows["n"]).sum() / n) if n else float("nan")

    def verdicts(self) -> list[Claim]:
        """Judge every claim, in the order of ``RULES``."""
        judged = (
            self._edges,
            self._vanishes,
            self._ranks,
            self._predicts,
            self._starts,
            self._sizes,
            self._everywhere,
            self._beats,
        )
        return [Claim(claim=claim, rule=RULES[claim], **judge()) for claim, judge in zip(RULES, judged, strict=True)]

    def _edges(self) -> dict[str, Any]:
        agree = [edges_told(sizes) for sizes in COUNTED]
        right = sum(len(set(numbers)) == 1 for numbers in agree)
        large = line_graph_size(mlp((784, 400, 400, 10), rng=0))
        shown = "; ".join(
            f"{'-'.join(map(str, sizes))}: {told} by the sum, {counted} counted, {made} made"
            for sizes, (told, counted, made) in zip(COUNTED, agree, strict=True)
        )
        return {
            "verdict": _degree(right == len(COUNTED), right),
            "measured": f"{right} of {len(COUNTED)} agree: {shown}; 784-400-400-10 has {large:,} by the sum",
            "control": "pairs of weights counted one by one, which share no code with the sum",
            "seeds": len(COUNTED),
            "value": right / len(COUNTED),
        }

    def _vanishes(self) -> dict[str, Any]:
        (n_fit, fit), (n_not, unfit) = (self.vanished(fits=fits) for fits in (True, False))
        text = (
            f"below a tenth in {_percent(fit)} of {n_fit} networks that fit and in {_percent(unfit)} of {n_not} that "
            "do not"
        )
        return {
            "verdict": _degree(min(fit, unfit) >= 0.9, max(fit, unfit) >= 0.5),
            "measured": text,
            "control": f"networks that do not fit: {_percent(unfit)}",
            "seeds": n_fit + n_not,
            "value": fit,
        }

    def _main(self, stop: int = STOP) -> Ranking:
        return self.rankings["family", self.first_task, stop]

    def _ranks(self) -> dict[str, Any]:
        row = self._main().scores.set_index("predictor").loc["beta_eff = 0"]
        verdict = _degree(row["spearman"] >= PUBLISHED, row["spearman_high"] >= PUBLISHED)
        return {
            "verdict": verdict,
            "measured": f"{against(self._main())}, epochs {START} to {STOP} of the {self._n()}; {self._of_all(row)}",
            "control": standing(row),
            "equalled": standing(row) != BETTER,
            **self._counted(row, "spearman"),
        }

    def _of_all(self, row: pd.Series) -> str:
        """Say what the last accuracy has on the networks for which the ridge is known, as the ridge is of no others."""
        same = self.more("last accuracy")
        return (
            f"the ridge is known for {row['n']:g}: on these alone the last accuracy has {same['trivial']:.3f}, the "
            f"ridge {same['more']:+.3f} more ({same['more_low']:+.3f} to {same['more_high']:+.3f})"
        )

    def _counted(self, row: pd.Series, name: str) -> dict[str, Any]:
        """Return a number of the main ranking with its interval, and how many networks it is of."""
        numbers = {
            end: float(row[name + suffix]) for end, suffix in (("value", ""), ("low", "_low"), ("high", "_high"))
        }
        of_ranking = "n" in row.index  # spreads are of all
        seeds = int(row["n"]) if of_ranking else len(self.chosen("family", self.first_task))
        return {"seeds": seeds, **numbers}

    def _n(self) -> str:
        rows = self.chosen("family", self.first_task)
        return f"{len(rows)} networks ({rows['candidate'].nunique()} architectures) on {self.first_task}"

    def _predicts(self) -> dict[str, Any]:
        found = self._main()
        off = (found.models["beta_eff = 0"] - found.models["final"]).abs().dropna()
        rows = found.scores.set_index("predictor")
        row = rows.loc["beta_eff = 0"]
        text = (
            f"median error {off.median():.3f}, mean {row['mae']:.3f}; of the last accuracy "
            f"{rows.loc['last accuracy', 'mae']:.3f} (difference {interval(row, 'mae_difference')}); the interval of "
            f"95 % holds {_percent(found.coverage())} of the final accuracies"
        )
        return {
            "verdict": _degree(off.median() <= 0.01, row["mae_difference_high"] < 0),
            "measured": text,
            "control": f"mean error of the last accuracy {rows.loc['last accuracy', 'mae']:.3f}",
            **self._counted(row, "mae_difference"),
        }

    def _starts(self) -> dict[str, Any]:
        return self._steady(FIRST, [start for start, stop in self.by_epochs if stop == STOPS[-1]])

    def _sizes(self) -> dict[str, Any]:
        return self._steady(SAMPLES, self.by_size)

    def _steady(self, label: str, places: Collection[int]) -> dict[str, Any]:
        """Judge a spread, and those of the controls by the same rule."""
        table = self.spreads[label]
        among = ", ".join(f"{place:,}" for place in places)
        text = f"spread of rho by {label} ({among}): " + "; ".join(
            f"{predictor} {interval(row, 'spread')}" for predictor, row in table.iterrows()
        )
        if len(places) < 2:
            return {"verdict": "not asked", "measured": text}
        found, *controls = (steady(row) for _, row in table.iterrows())
        row = table.iloc[0]
        counts = "holds in part" if row["spread"] <= STEADY[1] else "does not hold"
        return {
            "verdict": found,
            "measured": text,
            "control": "; ".join(f"{name}: {one}" for name, one in zip(JUDGED[1:], controls, strict=True)),
            "equalled": "holds" in controls,
            "counts": counts if found == "undecided" else "",
            **self._counted(row, "spread"),
        }

    def _everywhere(self) -> dict[str, Any]:
        rows = {key: one.scores.set_index("predictor").loc["beta_eff = 0"] for key, one in self._early().items()}
        above = [row["spearman_low"] > 0 for row in rows.values()]
        text = "; ".join(f"{part} on {task} {row['spearman']:.2f}" for (part, task), row in rows.items())
        better = any(standing(row) == BETTER for row in rows.values())
        return {
            "verdict": _degree(all(above), any(above)),
            "measured": f"rho above 0 in {sum(above)} of {len(above)} settings: {text}",
            "control": "" if better else "nowhere better than the last accuracy",
            "equalled": not better,
            "seeds": sum(len(self.chosen(*key)) for key in rows),
            "value": sum(above) / len(above),
        }

    def _early(self) -> dict[tuple[str, str], Ranking]:
        return {(part, task): one for (part, task, stop), one in self.rankings.items() if stop == STOP}

    def _beats(self) -> dict[str, Any]:
        early = self._early().values()
        rows = [one.scores.set_index("predictor").loc["beta_eff = 0"] for one in early]
        better, worse = (sum(standing(row) == word for row in rows) for word in (BETTER, WORSE))
        above = sum(above_mean(one) for one in early)
        text = (
            f"better than the last accuracy in {better}, worse in {worse}, neither in {len(rows) - better - worse} of "
            f"{len(rows)} settings; above the mean accuracy, the ridge without beta_eff, in {above}"
        )
        return {
            "verdict": _degree(better > len(rows) / 2, better > 0),
            "measured": text,
            "control": f"above the mean accuracy, the ridge without beta_eff, in {above} of {len(rows)} settings",
            "seeds": sum(len(self.chosen(*key)) for key in self._early()),
            "value": better / len(rows),
        }


def edges_told(sizes: Sequence[int]) -> tuple[int, int, int]:
    """Return the edges of the line graph of an MLP by the sum of degrees, counted pair by pair, and as it is made."""
    model = mlp(tuple(sizes), rng=0)
    x = np.random.default_rng(0).normal(size=(6, sizes[0])).astype(np.float32)
    made = line_graph(model, x, np.arange(6) % sizes[-1], loss="squared").ecount()
    weights = [
        ((layer, i), (layer + 1, j))
        for layer, (n, m) in enumerate(itertools.pairwise(sizes))
        for i, j in itertools.product(range(n), range(m))
    ]
    counted = sum(head == tail for _, head in weights for tail, _ in weights)
    return line_graph_size(model), counted, made


def standing(row: pd.Series) -> str:
    """Say how a predictor ranks beside the last accuracy, by the interval of the difference."""
    if row["difference_low"] > 0:
        return BETTER
    return WORSE if row["difference_high"] < 0 else "no better than the last accuracy"


def above_mean(found: Ranking) -> bool:
    """Say whether the ridge ranks better than the mean accuracy, itself without beta_eff, on the same models."""
    known = found.models.dropna(subset=["beta_eff = 0"])
    rho = known[["beta_eff = 0", "mean accuracy"]].corrwith(known["final"], method="spearman")
    return bool(rho["beta_eff = 0"] > rho["mean accuracy"])


def against(found: Ranking) -> str:
    """Say the rank correlations of the ridge and of the trivial predictors."""
    rows = found.scores.set_index("predictor")
    row = rows.loc["beta_eff = 0"]
    others = ", ".join(f"{name} {rows.loc[name, 'spearman']:.2f}" for name in rows.index if name != "beta_eff = 0")
    return (
        f"rho = {interval(row, 'spearman')}; {others}; difference from the last accuracy {interval(row, 'difference')}"
    )


def interval(row: pd.Series, name: str) -> str:
    """Say a number and its interval."""
    return f"{row[name]:.3f} ({row[name + '_low']:.3f} to {row[name + '_high']:.3f})"


def tabled(rankings: Mapping[Any, Ranking], names: Sequence[str]) -> pd.DataFrame:
    """Return the scores of several rankings, what each is of in the first columns."""
    import pandas as pd

    tables = []
    for key, one in rankings.items():
        values = key if isinstance(key, tuple) else (key,)
        tables.append(one.scores.assign(**dict(zip(names, values, strict=True)))[[*names, *one.scores]])
    return pd.concat(tables, ignore_index=True)


def steady(row: pd.Series) -> str:
    """Judge a spread by its interval."""
    if row["spread_high"] <= STEADY[1]:
        return _degree(row["spread_high"] <= STEADY[0], part=True)
    return "does not hold" if row["spread_low"] > STEADY[1] else "undecided"


def _summary(name: str, values: np.ndarray) -> dict[str, float]:
    """Return the first of some values, and the interval of the others that are known."""
    drawn = values[1:][np.isfinite(values[1:])]
    low, high = np.quantile(drawn, (0.025, 0.975)) if len(drawn) else (np.nan, np.nan)
    return {name: float(values[0]), f"{name}_low": float(low), f"{name}_high": float(high)}


def _degree(whole: object, part: object) -> str:
    return "holds" if whole else "holds in part" if part else "does not hold"


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %"
