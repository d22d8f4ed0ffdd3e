"""What the paper lacks, of the same networks: offset, scale, layer, bias, controls, initial signs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from nngraph._tables import described, rows_of
from nngraph.reproduce.ledger import Row
from nngraph.reproduce.probes.judging import RULE, Median, bootstrap, capped, judged, medians, shift, spread

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Twins", "drawn", "rows"]

BOTH = ("easy", "hard")
CHANCE = 50.0
LOST = 10.0
"""Points that the hard network must lose when signed for its loss to be asked about."""
SHOWN = {
    "full": ("none", "full", "accuracy"),
    "signed": ("none", "signed", "accuracy"),
    "signed, re-thresholded": ("none", "signed", "recalibrated"),
    "signed, AUC": ("none", "signed", "auc"),
    "signed, one scale per matrix": ("scale", "signed", "accuracy"),
    "first layer signed": ("layer 0", "signed", "accuracy"),
    "last layer signed": ("layer 1", "signed", "accuracy"),
    "signed, biases kept": ("bias kept", "signed", "accuracy"),
    "signed, biases zero": ("bias zero", "signed", "accuracy"),
    "signed, biases drawn anew": ("bias drawn", "signed", "accuracy"),
}
"""What the figure shows: operation, form and metric."""


class Twins:
    """Trained networks, their controls, and variants of all of them, by network.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`nngraph.reproduce.probes.variants.measured`.
    tasks : mapping of str to str
        Names of the "easy" and the "hard" task.
    """

    def __init__(self, table: pd.DataFrame, tasks: Mapping[str, str]) -> None:
        self.tasks = dict(tasks)
        self._tables = {str(name): rows for name, rows in table.groupby("network")}
        self.n = int(table["seed"].nunique())

    def values(
        self,
        task: str,
        network: str = "trained",
        operation: str = "none",
        *,
        parameter: float = 0.0,
        form: str = "full",
        null: str = "",
        metric: str = "accuracy",
    ) -> np.ndarray:
        """Return the value of each network, in percent."""
        rows = rows_of(self._tables[network], self.tasks[task], operation, form=form, null=null, metric=metric)
        rows = rows.loc[np.isclose(rows["parameter"], parameter)].sort_values("seed")
        values: np.ndarray = 100 * rows["value"].to_numpy(dtype=np.float64)
        return values

    def of(
        self,
        task: str,
        network: str = "trained",
        operation: str = "none",
        *,
        form: str = "full",
        metric: str = "accuracy",
    ) -> str:
        """Return the median of networks with its interval, as text."""
        return spread(*medians(self.values(task, network, operation, form=form, metric=metric)))

    def best(self, task: str, operation: str) -> str:
        """Return the highest median of the signed networks over the parameters of an operation, and where it is."""
        grid = rows_of(self._tables["trained"], self.tasks[task], operation)["parameter"].unique()
        found = {x: medians(self.values(task, "trained", operation, parameter=x, form="signed")) for x in sorted(grid)}
        at = max(found, key=lambda x: found[x][0])
        return f"{spread(*found[at])} at {at:g}"

    def learned(self, task: str) -> bool:
        """Return whether the untrained networks are above chance by more than 10 points, the whole interval."""
        return medians(self.values(task, "untrained"))[1] > CHANCE + 10

    def matched(self, task: str, operation: str) -> bool:
        """Return whether edges at random raise the signed networks as far as the smallest edges do, at best."""
        best = []
        for name in (operation, f"{operation} at random"):
            grid = rows_of(self._tables["trained"], self.tasks[task], name)["parameter"].unique()
            best.append(max(np.median(self.values(task, "trained", name, parameter=x, form="signed")) for x in grid))
        return bool(best[1] >= best[0])

    def lost(self, task: str, operation: str, parameter: float = 0.0, *, form: str = "full") -> Median:
        """Return how many points the networks lose, from what they are in full."""
        return medians(self.values(task) - self.values(task, "trained", operation, parameter=parameter, form=form))

    def folded(self, task: str, network: str, null: str) -> float:
        """Return the folded median of a null model."""
        values = self.values(task, network, null=null)
        return float(np.median(np.maximum(values, 100 - values)))


def rows(twins: Twins, table: pd.DataFrame, data: str, *, figure: str = "") -> list[Row]:
    """Return the rows."""
    found = [_offset(twins, table), _scale(twins), _layers(twins), _biases(twins), _controls(twins), _initial(twins)]
    if twins.learned("hard"):
        end = "; the control does as well"
        found[:3] = [
            dataclasses.replace(row, verdict=capped(row.verdict, control=True), control=row.control + end)
            for row in found[:3]
        ]
    return [dataclasses.replace(row, data=data, figure=figure) for row in found]


def _row(
    key: str, statement: str, criterion: str, measured: str, share: float, at: Median | None, control: str, n: int
) -> Row:
    return Row(
        key=key,
        source="not in the paper",
        statement=statement,
        criterion=f"{criterion}. {RULE}",
        authors="not reported",
        measured=measured if at is None else f"{measured}; met in {100 * share:.0f} % of resamples",
        verdict=judged(share),
        data="",
        seeds=n,
        value=None if at is None else at[0],
        low=None if at is None else at[1],
        high=None if at is None else at[2],
        control=control,
    )


def _share(met: Callable[..., bool], *samples: np.ndarray) -> float:
    """Return the share of resamples of networks in which a criterion is met."""
    return float(bootstrap(*samples, statistic=lambda *s: float(met(*s)))[1].mean())


def _offset(twins: Twins, table: pd.DataFrame) -> Row:
    hard = twins.tasks["hard"]
    columns = [("full", "accuracy"), ("signed", "accuracy"), ("signed", "auc"), ("signed", "recalibrated")]
    found = [rows_of(table, hard, "none", form=f, metric=m).set_index("seed")["value"] for f, m in columns]
    full, signed, ranked, moved = (100 * values.to_numpy() for values in found)
    down = signed < (100 * described(table, hard, "chance") + full) / 2
    parts = np.column_stack([full, ranked, moved])[down]
    text = f"{down.sum()} of {len(down)} networks collapsed"
    at, share = None, 0.0
    if down.sum() > 1:
        share = _share(lambda s: np.median(s[:, 1]) >= 95 and np.median(s[:, 0] - s[:, 2]) <= 10, parts)
        at = medians(ranked[down])
        text += f" (signed {spread(*medians(signed[down]))}): AUC {spread(*at)}, re-thresholded "
        text += f"{spread(*medians(moved[down]))}, full {spread(*medians(full[down]))}"
    ranks = (twins.of("hard", network, form="signed", metric="auc") for network in ("untrained", "shuffled"))
    return _row(
        "probes-x1",
        "The collapse of the signed hard network moves its threshold: it still ranks the samples",
        "of the collapsed networks (signed accuracy nearer to chance than to the full network) median AUC at least "
        "95 %, re-thresholded accuracy within 10 points of the full network",
        text,
        share,
        at,
        "AUC of signed networks untrained {}, trained on shuffled labels {}".format(*ranks),
        len(down),
    )


def _scale(twins: Twins) -> Row:
    full, bare = twins.values("hard"), twins.values("hard", form="signed")
    scaled = twins.values("hard", operation="scale", form="signed")

    def met(s: np.ndarray) -> bool:
        whole, signs, scales = np.median(s, axis=0)
        return bool(whole - signs >= LOST and scales - signs <= (whole - signs) / 4)

    at = shift(scaled, bare)
    return _row(
        "probes-x3",
        "The collapse is one of signs, not of scale: one scale per matrix (mean |w|) does not undo it",
        "signs with a scale and the trained biases win back at most a quarter of what bare signs lose on the hard task "
        f"(medians), which is at least {LOST:g} points",
        _nothing(float(np.median(full) - np.median(bare)))
        + f"hard: bare signs {spread(*medians(bare))}, scaled {spread(*medians(scaled))} (change {spread(*at)}), full "
        f"{spread(*medians(full))}; easy: {twins.of('easy', form='signed')} and "
        f"{twins.of('easy', operation='scale', form='signed')}",
        _share(met, np.column_stack([full, bare, scaled])),
        at,
        f"is itself the control; untrained, scaled: hard {twins.of('hard', 'untrained', 'scale', form='signed')}",
        twins.n,
    )


def _nothing(lost: float) -> str:
    return f"nothing to see, signs lose {lost:.1f} points; " if lost < LOST else ""


def _layers(twins: Twins) -> Row:
    kinds = ("none", "layer 0", "layer 1")
    values = [twins.values("hard"), *(twins.values("hard", operation=kind, form="signed") for kind in kinds)]

    def met(s: np.ndarray) -> bool:
        whole, signed, first, last = np.median(s, axis=0)
        lost = whole - signed
        return bool(lost >= LOST and whole - first >= 0.75 * lost and whole - last <= 0.25 * lost)

    at, last, both = (twins.lost("hard", kind, form="signed") for kind in ("layer 0", "layer 1", "none"))
    return _row(
        "probes-x4",
        "The input layer carries what binarization loses",
        "on the hard task, signing the first layer alone loses at least three quarters of what signing both loses, "
        f"signing the last alone at most a quarter (medians); both lose at least {LOST:g} points",
        _nothing(float(np.median(values[0]) - np.median(values[1])))
        + f"hard loses {spread(*at)} points with the first layer signed, {spread(*last)} with the last, "
        f"{spread(*both)} with both",
        _share(met, np.column_stack(values)),
        at,
        f"untrained, first layer signed: hard {twins.of('hard', 'untrained', 'layer 0', form='signed')}",
        twins.n,
    )


def _biases(twins: Twins) -> Row:
    changes: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for task in BOTH:
        for form in ("full", "signed"):
            for operation, name in (("bias zero", "zero"), ("bias drawn", "drawn anew"), ("bias kept", "kept")):
                new = twins.values(task, operation=operation, form=form)
                if len(new):
                    changes[f"{form} {task}, {name}"] = (new, twins.values(task, form=form))
    allowed = [1.0 if name.startswith("full") else 5.0 for name in changes]

    def met(*samples: np.ndarray) -> bool:
        moved = [abs(np.diff(np.median(s, axis=0))[0]) for s in samples]
        return all(a <= b for a, b in zip(moved, allowed, strict=True))

    found = {name: shift(new, old) for name, (new, old) in changes.items()}
    worst = max(found, key=lambda name: abs(found[name][0]))
    weights = {task: shift(twins.values(task, form="signed"), twins.values(task)) for task in BOTH}
    unseen = all(abs(at[0]) <= 1 for at in weights.values())  # where weights do not matter, biases cannot be told to
    row = _row(
        "probes-x5",
        "Biases hardly matter: signed with the weights, kept, zero, or drawn anew before each probe as published",
        "medians of the full networks change by at most 1 point, of the signed by at most 5, on both tasks",
        "change of the median: "
        + "; ".join(f"{name} {at[0]:+.1f}" for name, at in found.items())
        + f". Largest: {worst} {spread(*found[worst])}",
        _share(met, *(np.column_stack(pair) for pair in changes.values())),
        found[worst],
        "changes are from the trained biases, in signed networks from their signs; signing the weights changes easy "
        f"{spread(*weights['easy'])}, hard {spread(*weights['hard'])}" + ", no more than biases may" * unseen,
        twins.n,
    )
    return dataclasses.replace(row, verdict=capped(row.verdict, control=unseen))


def _controls(twins: Twins) -> Row:
    names = {"full": ("full", ""), "signed": ("signed", ""), **{kind: ("full", kind) for kind in "BEF"}}
    texts: list[str] = []
    found: dict[str, Median] = {}
    for network in ("untrained", "shuffled"):
        for task in BOTH:
            values = {
                f"{network} {task} {name}": medians(twins.values(task, network, form=form, null=null))
                for name, (form, null) in names.items()
            }
            found |= values
            texts.append(", ".join(f"{name} {at[0]:.1f}" for name, at in values.items()))
    away = [name for name, (_, low, high) in found.items() if high < CHANCE - 10 or low > CHANCE + 10]
    farthest = max(found.values(), key=lambda at: abs(at[0] - CHANCE))
    ranks = ", ".join(
        f"{network} {task} {twins.of(task, network, form='signed', metric='auc')}"
        for network in ("untrained", "shuffled")
        for task in BOTH
    )
    row = _row(
        "probes-x6",
        "Nothing of this is there without training: the same networks at initialisation, and networks trained on "
        "shuffled labels, are at chance in every probe",
        "",
        f"{len(away)} of {len(found)} are away from chance{': ' + ', '.join(away) if away else ''}; "
        + "; ".join(texts)
        + f". Farthest from 50: {spread(*farthest)}. AUC of the signed: {ranks}",
        0.0 if away else 1.0,
        None,
        "is the control of all rows",
        twins.n,
    )
    criterion = (
        "none of the medians of full, signed, B, E and F of both controls on both tasks has an interval wholly outside "
        "of 40 to 60"
    )
    low, value, high = farthest[1], farthest[0], farthest[2]
    return dataclasses.replace(row, criterion=criterion, value=value, low=low, high=high)


def _initial(twins: Twins) -> Row:
    values = {task: twins.values(task, operation="layer 0", metric="same sign") for task in BOTH}
    found = {task: medians(same) for task, same in values.items()}
    elsewhere = {task: float(np.median(twins.values(task, "shuffled", "layer 0", metric="same sign"))) for task in BOTH}
    others = ", ".join(f"{task} {value:.1f}" for task, value in elsewhere.items())
    row = _row(
        "probes-x7",
        "Many signs of the first layer are still those of the initialisation",
        "median share above 52 % on both tasks, where independent signs agree in 50 %",
        f"easy {spread(*found['easy'])} %, hard {spread(*found['hard'])} %",
        _share(lambda s: bool(np.median(s, axis=0).min() > 52), np.column_stack(list(values.values()))),
        found["hard"],
        f"networks that started elsewhere (trained on shuffled labels), against this initialisation: {others} %",
        twins.n,
    )
    return dataclasses.replace(row, verdict=capped(row.verdict, control=min(elsewhere.values()) > 52))


def drawn(twins: Twins) -> Figure:
    """Draw the medians of the variants, trained and not, with their intervals."""
    from nngraph.plot import forests

    panels = {
        twins.tasks[task]: {
            network: {
                name: medians(twins.values(task, network, operation, form=form, metric=metric), n_boot=500)
                for name, (operation, form, metric) in SHOWN.items()
            }
            for network in ("trained", "untrained", "shuffled")
        }
        for task in BOTH
    }
    return forests(panels, label="accuracy or AUC (%)", line=CHANCE)
