"""The page on neural capacitance: tables, figures and verdicts, all computed."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nngraph.io._atomic import replacing
from nngraph.reproduce._tables import markdown
from nngraph.reproduce.capacitance import backbones, claims
from nngraph.reproduce.capacitance.candidates import N_PROBE, RECORDED
from nngraph.reproduce.capacitance.claims import BETTER, LATER, RULES, START, STARTS, STOP, STOPS, WORSE, Study
from nngraph.reproduce.capacitance.runs import FROZEN, TASKS, made

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nngraph.dynamics import Ranking

__all__ = ["figures", "write"]

log = logging.getLogger(__name__)
COMMAND = "python -m nngraph.reproduce.capacitance --out FOLDER [--root FOLDER] [--texts FOLDER]"
SHOWN = ("beta_eff = 0", "mean accuracy", "last accuracy", "best accuracy", "last loss", "|beta_eff|", "parameters")


def write(out: str | os.PathLike[str], study: Study) -> Path:
    """Write the page, its pictures, and its tables as CSV.

    Parameters
    ----------
    out : path
        Folder; gets capacitance.md, scores.csv and pictures.
    study : Study
        What was trained.

    Returns
    -------
    Path
        Of the page.

    Raises
    ------
    StudyError
        If the folder cannot be written.
    """
    folder = made(Path(out))
    made(folder / "pictures")
    log.info("rankings of %d sets of candidates", len(study.settings))
    with replacing(folder / "scores.csv") as file:
        scores = claims.tabled(study.rankings, ("part", "task", "stop"))
        file.write(scores.to_csv(index=False, float_format="%.5g").encode())
    for name, figure in figures(study):
        log.info("picture: %s", name)
        with replacing(folder / "pictures" / f"capacitance_{name}.png") as file:
            figure.savefig(file, format="png", dpi=110)
    parts = (_introduction, _short, _claims, _rankings, _errors, _vanishing, _sensitivity, _settings)
    sections = []
    for part in parts:
        log.info("page: %s", part.__name__.strip("_"))
        sections.append(part(study))
    page = folder / "capacitance.md"
    with replacing(page) as file:
        file.write("\n".join(sections).encode())
    return page


def _introduction(study: Study) -> str:
    first = study.first_task
    family = study.chosen("family", first)
    seeds = family.groupby("kind")["seed"].nunique()
    hidden = "-".join(map(str, backbones.PROBE.hidden))
    return f"""# What neural capacitance tells of the accuracy to come

Jiang et al. (Nature Communications 2024) call beta_eff of the line graph of a network its neural capacitance, fit the
accuracy of the first epochs to it by a Bayesian ridge, and take the line at beta_eff = 0 for the accuracy at the end.
`nngraph.dynamics` has the parts: `Trajectory` records beta_eff in a training loop, `predict_accuracy` fits,
`rank_models` ranks candidates, always beside what is known for nothing: the accuracy at the last epoch that was seen,
the best and the mean so far (the mean is the ridge without beta_eff), the last loss, the number of parameters.

This page asks their claims of {len(study.runs)} small networks, stand-ins for the models of ImageNet of the paper:

- *family*: {family["candidate"].nunique()} architectures, MLPs and small CNNs, some poor on purpose, on {first} with
  {seeds["MLP"]} seeds of each MLP and {seeds["CNN"]} of each CNN, on other data sets with one. \
Of a CNN the dense layers are the probe network,
  and its convolutions, as they are at that epoch, the backbone.
- *frozen*: pretrained backbones that stay as they are (two small ResNets read behind each of 8 units; on texts a
  transformer of bytes and MiniLM at each depth), beside untrained twins; each depth is a candidate. On top is a probe
  network of four weight layers ({hidden} and the classes), drawn at random. No backbone is asked of images that it
  was trained on.

beta_eff is that of {N_PROBE} training samples; accuracy and loss of the epochs are those of validation samples, and the
final accuracy is that of test samples after epoch {RECORDED[-1]}, which nothing else looks at. All have at least four
weight layers: below that beta_eff is 0 under cross-entropy, and the ridge is a constant, the mean accuracy of the
epochs.

All of this page is made by `{COMMAND}`; no number is typed. The networks took
{study.runs["seconds"].sum():,.0f} CPU seconds. With `--stored` the trajectories that come with the package are judged,
and nothing is trained.
"""


def _claims(study: Study) -> str:
    rows = [(one.claim, one.verdict, one.control, one.measured) for one in study.verdicts()]
    rules = "".join(f"- *{claim}*: {rule}.\n" for claim, rule in RULES.items())
    return f"""## Claims

{_table(("claim", "verdict", "beside it", "found"), rows)}
The rules:

{rules}
No text of the paper states what it concludes from Figures 3b and 3c in words that a rule could be made of; these two
claims are ours. Its search over architectures (NAS) and its five data sets of photographs are not here.
"""


def _short(study: Study) -> str:
    """Say in a few sentences what was found."""
    rows = [one.scores.set_index("predictor").loc["beta_eff = 0"] for one in study.rankings.values()]
    n, better, worse = len(rows), *(sum(claims.standing(row) == word for row in rows) for word in (BETTER, WORSE))
    by_mean = sum(claims.above_mean(one) for one in study.rankings.values())
    closer = sum(row["mae_difference_high"] < 0 for row in rows)
    further = sum(row["mae_difference_low"] > 0 for row in rows)
    coverage = [one.coverage() for one in study.rankings.values()]
    rho = [row["spearman"] for row in rows]
    return f"""In short: the ridge at beta_eff = 0 ranks candidates with rho from {min(rho):.2f} to {max(rho):.2f} in
{n} settings (candidates, data, epochs). In {better} of them it ranks better than the last accuracy alone, in {worse}
worse, and in {n - better - worse} the interval of the difference has 0 in it. In {by_mean} its rho is above that of the
mean accuracy on the same networks, which is the same fit without beta_eff. As an accuracy it is further off than the
last accuracy in {further} and nearer in {closer}; its interval of 95 % has {100 * min(coverage):.0f} to
{100 * max(coverage):.0f} % of the final accuracies in it.
"""


def _rankings(study: Study) -> str:
    rows = []
    for (part, task, stop), one in study.rankings.items():
        scores = one.scores.set_index("predictor")
        ridge = scores.loc["beta_eff = 0"]
        cells = [f"{scores.loc[name, 'spearman']:.2f}" for name in SHOWN[1:]]
        interval = f"{ridge['spearman']:.2f} ({ridge['spearman_low']:.2f} to {ridge['spearman_high']:.2f})"
        difference = f"{ridge['difference']:.2f} ({ridge['difference_low']:.2f} to {ridge['difference_high']:.2f})"
        rows.append(
            (
                part,
                task,
                f"{START} to {stop}",
                f"{int(ridge['n'])} of {len(one.models)}",
                interval,
                *cells,
                difference,
                claims.standing(ridge),
            )
        )
    header = ("part", "data", "epochs", "networks", *SHOWN, "difference from last accuracy", "the ridge ranks")
    by_variant = ", ".join(_by_variant(name, one) for name, one in study.by_variant.items())
    return f"""## Who ranks the candidates

Spearman's rho with the final accuracy, the sign such that 1 is right; intervals of 95 % draw architectures (on frozen
backbones candidates), the difference pairs them. Networks without beta_eff (dead, or at a pole) are left out of its
column and of the difference, not of the other columns.

{_table(header, rows)}
{_better_half(study)}

By variant of beta_eff, the family on {study.first_task}, first seed, epochs {START} to {STOP}: {by_variant}.
"""


def _by_variant(name: str, found: Ranking) -> str:
    scores = found.scores.set_index("predictor")
    ridge, beta = scores.loc["beta_eff = 0"], scores.loc["|beta_eff|"]
    return (
        f"*{name}* ridge {ridge['spearman']:.2f} (less last accuracy {ridge['difference']:.2f}, "
        f"{ridge['difference_low']:.2f} to {ridge['difference_high']:.2f}), abs(beta_eff) {beta['spearman']:.2f}"
    )


def _better_half(study: Study) -> str:
    """Say what is left of the rankings among candidates that one would choose from."""
    parts = []
    for part, task in study.settings:
        models = study.rankings[part, task, STOP].models
        models = models[models["final"] >= models["final"].median()]
        rho = models[["beta_eff = 0", "last accuracy"]].corrwith(models["final"], method="spearman")
        parts.append(f"{part} on {task} {rho['beta_eff = 0']:.2f} against {rho['last accuracy']:.2f}")
    return f"Among the better half of the candidates, by epoch {STOP}, ridge against last accuracy: {'; '.join(parts)}."


def _errors(study: Study) -> str:
    rows = []
    for (part, task, stop), one in study.rankings.items():
        scores = one.scores.set_index("predictor")
        ridge = scores.loc["beta_eff = 0"]
        cells = [f"{scores.loc[name, 'mae']:.3f}" for name in ("beta_eff = 0", "mean accuracy", "last accuracy")]
        difference = (
            f"{ridge['mae_difference']:.3f} ({ridge['mae_difference_low']:.3f} to {ridge['mae_difference_high']:.3f})"
        )
        regrets = [f"{scores.loc[name, 'regret']:.3f}" for name in ("beta_eff = 0", "last accuracy")]
        rows.append((part, task, f"{START} to {stop}", *cells, difference, f"{100 * one.coverage():.0f} %", *regrets))
    header = (
        "part",
        "data",
        "epochs",
        "error of the ridge",
        "of the mean",
        "of the last accuracy",
        "ridge less last",
        "inside of 95 %",
        "regret of the ridge",
        "of the last accuracy",
    )
    return f"""## How far off

Mean absolute errors, in accuracy; the share of final accuracies inside of the interval of 95 % that the ridge gives;
and what the network of the best prediction has less than the best one.

{_table(header, rows)}
![predicted and final accuracies](pictures/capacitance_predicted.png)

Ridge at beta_eff = 0 with its interval, and last accuracy, against the final accuracy: the family on
{study.first_task}, and frozen backbones.
"""


def _vanishing(study: Study) -> str:
    rows = [
        (
            r.variant,
            r.part,
            r.task,
            "yes" if r.fits else "no",
            r.n,
            f"{r.start:.2g}",
            f"{r.early:.2g}",
            f"{r.end:.2g}",
            f"{100 * r.shrunk:.0f} %",
        )
        for r in study.vanishing.itertuples()
    ]
    header = (
        "variant",
        "part",
        "data",
        "fits",
        "networks",
        "before training",
        "epochs 1 to 3",
        "epoch 40",
        "below a tenth",
    )
    return f"""## Does beta_eff vanish

Medians of abs(beta_eff). *Fits*: the accuracy on the probe batch is at least {claims.FITTED} at the end. *Below a
tenth*: share of the networks in which the end is below a tenth of epochs 1 to 3. The variants other than "frozen" were
recorded for the first seed of the family on {study.first_task}.

{_table(header, rows)}
![trajectories of beta_eff](pictures/capacitance_trajectories.png)

beta_eff, without its sign, of the family on each data set, first seed; brighter where the final accuracy is higher.
"""


def _sensitivity(study: Study) -> str:
    rows = []
    for (start, stop), found in study.by_epochs.items():
        scores = found.scores.set_index("predictor")
        values = [f"{scores.loc[name, 'spearman']:.3f}" for name in ("beta_eff = 0", "mean accuracy", "last accuracy")]
        rows.append((start, stop, *values, *(f"{scores.loc[name, 'mae']:.3f}" for name in SHOWN[:3])))
    header = (
        "first",
        "last",
        "rho of the ridge",
        "of the mean",
        "of the last accuracy",
        "error of the ridge",
        "of the mean",
        "of the last accuracy",
    )
    sizes = [
        (f"{size:,}", *(f"{found.scores.set_index('predictor').loc[name, 'spearman']:.3f}" for name in SHOWN))
        for size, found in study.by_size.items()
    ]
    return f"""## First epoch, last epoch, size of the training set

The family on {study.first_task}, as in Figures 3b and 3c of the paper.

{_table(header, rows)}
By number of training samples (epochs {START} to {STOP}, first seed, each ranked by its own final accuracy), rho:

{_table(("samples", *SHOWN), sizes)}
How far rho goes, the largest less the smallest, and what the ridge has more of it; intervals of 95 % draw
architectures, the same for all cells. A spread is never below 0 and chance adds to it, so that the intervals lie high,
of the ridge and of accuracies alike. The last accuracy is one number whatever the first epoch.

{_table(("rho by", "predictor", "spread", "the ridge has more", "by the rule"), _spreads(study))}
![sensitivity](pictures/capacitance_sensitivity.png)
"""


def _spreads(study: Study) -> list[tuple[str, ...]]:
    return [
        (
            label,
            predictor,
            claims.interval(row, "spread"),
            claims.interval(row, "more") if predictor != "beta_eff = 0" else "",
            claims.steady(row),
        )
        for label, table in study.spreads.items()
        for predictor, row in table.iterrows()
    ]


def _settings(study: Study) -> str:
    data = "; ".join(f"{task} {n[0]:,}, {n[1]:,} and {n[2]:,}" for task, n in TASKS.items())
    return f"""## How it was done

Training, validation and test samples: {data}; on frozen backbones at most {FROZEN[0]:,}, {FROZEN[1]:,} and
{FROZEN[2]:,}. Adam, batches of 64, 40 epochs, a constant learning rate of .001 unless the candidate says otherwise.
Validation patches share pixels with training ones and test patches do not, so that no accuracy of the epochs is
that of the end there. Features of backbones are means over places, positions or tokens, standardised on training
samples. Trajectories were recorded at every epoch to 12, and at 15, 20, 30 and 40; tables show epochs {START} to {STOP}
and to {LATER}, and first epochs {", ".join(map(str, STARTS))} with last epochs {", ".join(map(str, STOPS))}.
"""


def figures(study: Study) -> Iterator[tuple[str, Figure]]:
    """Yield the pictures of the page by name."""
    from nngraph import plot
    from nngraph.plot import _style

    tasks = [task for part, task in study.settings if part == "family"]
    fig, axes = _style.new_figure(None, 1, len(tasks))
    fig.set_size_inches(3.4 * len(tasks), 2.6)
    for ax, task in zip(axes[0], tasks, strict=True):
        rows = study.chosen("family", task)
        tables, final, _ = study.given(rows[rows["seed"] == 0])
        plot.capacitance_trajectories(tables, final=final, smallest=None, ax=ax)
        ax.set_title(task, fontsize=_style.TEXT, loc="left")
    yield "trajectories", fig
    frozen = [key for key in study.settings if key[0] == "frozen"]
    shown = [("family", study.first_task), *sorted(frozen, key=lambda key: -len(study.chosen(*key)))[:2]]
    fig, axes = _style.new_figure(None, 1, len(shown))
    fig.set_size_inches(3.2 * len(shown), 2.9)
    for ax, (part, task) in zip(axes[0], shown, strict=True):
        plot.predicted_accuracies(study.rankings[part, task, STOP], ax=ax)
        ax.set_title(f"{part}, {task}, {ax.get_title(loc='left')}", fontsize=_style.SMALL, loc="left")
    yield "predicted", fig
    fig, axes = _style.new_figure(None, 1, 3)
    fig.set_size_inches(9.6, 2.8)
    table = claims.tabled(study.by_epochs, ("start", "stop"))
    panels = {
        "start": table[table["stop"] == STOPS[-1]],
        "stop": table[table["start"] == START],
        "n_train": claims.tabled(study.by_size, ("n_train",)),
    }
    for ax, (x, rows) in zip(axes[0], panels.items(), strict=True):
        plot.capacitance_sensitivity(rows, x=x, predictors=SHOWN[:3], ax=ax)  # type: ignore[arg-type]
        if x != "stop":
            ax.get_legend().remove()
    yield "sensitivity", fig


def _table(header: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    # a bar would end the cell
    safe = [[str(cell).replace("|", r"\|") for cell in cells] for cells in (header, *rows)]
    return "".join(f"{line}\n" for line in markdown(safe[0], safe[1:]))
