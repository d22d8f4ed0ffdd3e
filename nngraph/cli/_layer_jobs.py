"""What ``nngraph layers`` does beside the map: training dynamics, freezing, dropping, interventions."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from nngraph.cli._common import write
from nngraph.cli._layer_sources import Job, Source
from nngraph.cli._samples import rows_of
from nngraph.errors import ArgumentError


class Asked(NamedTuple):
    """The options of the command line that more than one job reads."""

    measure: str
    taps: Any
    n: int
    options: Mapping[str, Any]
    """Of the measure: exact, normalize."""
    rng: int
    jobs: int


@contextlib.contextmanager
def unfinished(out: Path) -> Iterator[Path]:
    """Give a folder for the parts of a long run, which stay where it is stopped and vanish when it ends.

    What never could have ended leaves nothing.
    """
    folder, is_new = out / "unfinished", not out.exists()
    fresh = not folder.exists()
    try:
        yield folder
    except ArgumentError:
        if fresh:
            shutil.rmtree(folder, ignore_errors=True)
            if is_new and out.exists() and not any(out.iterdir()):
                out.rmdir()
        raise
    shutil.rmtree(folder, ignore_errors=True)


def dynamics(source: Source, asked: Asked, out: Path) -> str:
    """Map each checkpoint; write dynamics.csv, boundaries.csv, correlations.csv, maps.csv and a figure."""
    import pandas as pd

    from nngraph.checkpoints import training_dynamics
    from nngraph.plot import dynamics as figure_of

    with unfinished(out) as parts:
        found = training_dynamics(
            source.model, source.inputs, measure=asked.measure, taps=asked.taps, n=asked.n, labels=source.labels,
            scores=source.scores, rng=asked.rng, folder=parts / "steps", n_jobs=asked.jobs, **asked.options,
        )  # fmt: skip
        maps = [
            (step, a, b, D.loc[a, b]) for step, D in found.maps.items() for a in D.index for b in D.columns
        ]  # fmt: skip
        correlations = found.correlations()
        tables = {
            "dynamics": found.table,
            "boundaries": found.boundaries,
            "correlations": correlations,
            "maps": pd.DataFrame(maps, columns=["step", "tap", "other", "distance"]),
        }
        write(out, tables, figure_of(found), "dynamics")
    lines = [
        f"{len(found.maps)} steps of {source.name}, measure {asked.measure}",
        found.table.to_string(index=False, float_format=lambda value: f"{value:.4g}"),
    ]
    if len(correlations):
        lines.append("Spearman correlations of the mean distance with the scores:")
        lines.append(correlations.to_string(index=False, float_format=lambda value: f"{value:+.2f}"))
    else:
        lines.append("no scores: return (mapping, (x, y)) for loss and accuracy")
    return "\n".join(lines)


def tuned(job: Job, source: Source, options: Mapping[str, Any], out: Path) -> str:
    """Fine-tune with blocks frozen, or dropped; write freezing.csv or dropping.csv, and intervals.csv."""
    from nngraph import finetuning

    make = finetuning.freezing if job is Job.freezing else finetuning.dropping
    table = make(source.model, (source.inputs, source.labels), source.test, **options)
    means = finetuning.intervals(table)
    write(out, {job.value: table, "intervals": means}, None, job.value)
    column = "from block" if job is Job.freezing else "blocks kept"
    shown: str = (
        means[["kind", "block", "seeds", "trainable", "accuracy", "sd", "se_test"]]
        .rename(columns={"block": column})
        .to_string(index=False, float_format=lambda value: f"{value:.3f}", na_rep="-")
    )
    n_train, n_test = len(source.labels), int(table["n_test"].iloc[0])
    return f"{job} of {source.name}, {n_train:,} training and {n_test:,} test samples\n{shown}"


def interventions(source: Source, asked: Asked, out: Path) -> str:
    """Skip each block; write divergence.csv, skipped.csv, map.csv and agreement.csv beside a figure of both maps."""
    import pandas as pd

    from nngraph.interventions import intervention_agreement
    from nngraph.interventions import interventions as skip
    from nngraph.plot import maps
    from nngraph.similarity import matrix, representations

    if asked.taps == "all":
        raise ArgumentError(f"--taps: got the set {asked.taps!r}; interventions take one tap for each block, by name.")
    x = rows_of(source.inputs, asked.n, asked.rng)
    found = skip(source.model, x)
    names = list(found.kl.index)
    taps = [str(tap) for tap in asked.taps] if isinstance(asked.taps, list) else names
    reps = representations(source.model, x, taps, n=None, tokens="last")
    D = matrix({tap: reps[tap] for tap in taps}, asked.measure, n_jobs=asked.jobs, **asked.options)
    agreement = intervention_agreement(found.kl, D, taps=taps)
    depth = pd.DataFrame([[abs(i - j) for j in range(len(names))] for i in range(len(names))], names, names)
    baseline = intervention_agreement(found.kl, depth)
    skipped = pd.DataFrame({"block": names, "kl_from_intact": found.intact.to_numpy()})
    rows = pd.DataFrame({asked.measure: agreement.rows, "depth": baseline.rows})
    rows.index.name = "block"
    figure = maps({"KL of the next token": found.kl, asked.measure: D}, columns=2)
    write(out, {"divergence": found.kl, "skipped": skipped, "map": D, "agreement": rows}, figure, "interventions")
    lines = [
        f"{len(names)} blocks of {source.name}, {found.n:,} distributions of the next token, measure {asked.measure}",
        skipped.to_string(index=False, float_format=lambda value: f"{value:.4g}"),
        "mean rank correlation of rows with the KL of the next token: "
        f"{asked.measure} {agreement.mean:+.2f}, distance in depth {baseline.mean:+.2f}",
    ]
    return "\n".join(lines)
