"""``nngraph layers``: distances between the layers of a model, its groups of layers, and what one does with them."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nngraph.cli._common import check_out, one_sentence, refuse_unused, write
from nngraph.cli._layer_jobs import Asked, dynamics, interventions, tuned, unfinished
from nngraph.cli._layer_sources import Job, Source, source_of
from nngraph.cli._samples import forward_pass, rows_of
from nngraph.errors import ArgumentError

if TYPE_CHECKING:
    import pandas as pd

    from nngraph.similarity.gromov_maps import GromovMap
    from nngraph.similarity.grouping import Groups


class Method(enum.StrEnum):
    """Methods of :func:`nngraph.similarity.groups`."""

    contiguous = "contiguous"
    spectral = "spectral"


class Null(enum.StrEnum):
    """What boundaries are compared with."""

    untrained = "untrained"
    none = "none"


class Normalize(enum.StrEnum):
    """What distances are divided by."""

    mean = "mean"
    max = "max"
    none = "none"


_DISTANCES = {"measure", "taps", "n", "exact", "normalize", "jobs"}
_USED = {
    Job.map: _DISTANCES | {"k", "method", "null", "twins"},
    Job.dynamics: _DISTANCES,
    Job.interventions: _DISTANCES,
    Job.freezing: {"seeds", "epochs", "lr"},
    Job.dropping: {"seeds", "epochs", "lr"},
}
"""Which options, beside the source, --rng and --out, each job reads."""
_SAMPLES = {Job.map: 200, Job.dynamics: 60, Job.interventions: 300}
"""Without a source: enough to see something in under a minute."""


def layers(
    context: typer.Context,
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[SOURCE]",
            help="pkg.module:function that returns a model in evaluation mode, or (model, inputs), (model, (x, y)), "
            "(model, (x, y), (x_test, y_test)) with integer classes y; of dynamics a mapping from steps to models in "
            "the place of the model. For the map also an .npz file of representations, one (samples, dimensions) "
            "array for each tap. Without it networks that come with the package.",
        ),
    ] = None,
    do: Annotated[
        Job,
        typer.Option(
            help="map: distances, groups, boundaries. dynamics: a map for each checkpoint. freezing: fine-tune from "
            "block k on. dropping: keep the first blocks, and fine-tune. interventions: skip a block of a language "
            "model."
        ),
    ] = Job.map,
    inputs: Annotated[
        str | None,
        typer.Option(
            help="What the model sees: an .npy array, an .npz file of one array or of arrays by argument name, or the "
            "name of a data set: digits, fashion-mnist, mnist, cifar-10, colour-patches."
        ),
    ] = None,
    taps: Annotated[
        list[str] | None,
        typer.Option(help="auto, blocks, all, or the name of a tap or module; names may be given several times."),
    ] = None,
    measure: Annotated[str, typer.Option(help="gw, cka, rsa, or any other of nngraph.similarity.MEASURES.")] = "gw",
    n: Annotated[
        int | None, typer.Option(help="Samples; 1,000 by default, fewer without a source.", min=2, show_default=False)
    ] = None,
    k: Annotated[int | None, typer.Option(help="Number of groups; found by default.", min=1)] = None,
    method: Annotated[
        Method, typer.Option(help="Groups that are runs of taps, or those of spectral clustering.")
    ] = Method.contiguous,
    null: Annotated[
        Null, typer.Option(help="Compare boundaries with untrained twins of the model, or with nothing.")
    ] = Null.untrained,
    twins: Annotated[int, typer.Option(help="Number of untrained twins.", min=1)] = 5,
    exact: Annotated[
        bool,
        typer.Option("--exact/--screened", help="Solve gw for all pairs of taps, or only where bounds leave a doubt."),
    ] = True,
    normalize: Annotated[
        Normalize | None,
        typer.Option(help="What distances between samples are divided by, for gw; the mean by default."),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Fine-tunings of each row, of freezing and dropping.", min=1)] = 1,
    epochs: Annotated[int, typer.Option(help="Epochs of fine-tuning.", min=1)] = 3,
    lr: Annotated[
        float | None,
        typer.Option(
            help="Largest learning rate of fine-tuning; 5e-5 by default, 3e-3 without a source.", show_default=False
        ),
    ] = None,
    rng: Annotated[int, typer.Option(help="Seed of samples, twins and fine-tuning.", min=0)] = 0,
    jobs: Annotated[int, typer.Option("--jobs", "--n-jobs", help="Processes.", min=1)] = 1,
    out: Annotated[
        Path | None, typer.Option(help="Folder; by default results/layers-SOURCE, or results/DO-SOURCE.")
    ] = None,
) -> None:
    """Map the distances between the layers of a model, group the layers, and say which boundaries training made.

    The map writes map.csv (of gw the squared objective, with its root, bounds, and which pairs were solved beside),
    groups.csv, curve.csv, boundaries.csv, and the figure layers.png and layers.svg. A map by gw, or dynamics, that was
    stopped goes on from its finished parts, in OUT/unfinished, when the same command is given again.

    Examples: nngraph layers; nngraph layers mine:net --inputs images.npy --measure cka; nngraph layers taps.npz --k 4
    --method spectral --out results/taps; nngraph layers --do dynamics --screened; nngraph layers mine:steps --do
    dynamics; nngraph layers mine:task --do freezing --seeds 3; nngraph layers mine:decoder --do interventions
    """
    with one_sentence("stopped. The same command goes on from the maps, and parts of maps by gw, that are finished."):
        refuse_unused(context, _USED[do], set.union(*_USED.values()), f"--do {do.value}", exact="screened")
        _check_measure(measure, exact=exact)
        found = source_of(do, source, inputs)
        folder = out or Path("results") / f"{'layers' if do is Job.map else do.value}-{found.name}"
        check_out(folder)
        options: dict[str, Any] = {} if exact else {"exact": False}
        if normalize is not None:
            options["normalize"] = normalize.value
        number = n or (_SAMPLES.get(do, 0) if source is None else 1000)
        asked = Asked(measure, _taps(taps), number, options, rng, jobs)
        with forward_pass(found.name, found.inputs):
            if do is Job.map:
                n_twins = twins if null is Null.untrained else 0
                text = _map_job(found, asked, k, method.value, n_twins, folder)
            elif do is Job.dynamics:
                text = dynamics(found, asked, folder)
            elif do is Job.interventions:
                text = interventions(found, asked, folder)
            else:
                rate = lr if lr is not None else 3e-3 if source is None else 5e-5
                text = tuned(do, found, {"seeds": seeds, "epochs": epochs, "lr": rate, "rng": rng}, folder)
        typer.echo(text)
        what = "tables are" if do in (Job.freezing, Job.dropping) else "tables and figures are"
        typer.echo(f"nngraph: {what} in {folder}", err=True)


def _check_measure(measure: str, *, exact: bool) -> None:
    from nngraph.similarity.measures import MEASURES

    if measure not in MEASURES:
        raise ArgumentError(f"--measure: got {measure!r}; expected one of {', '.join(MEASURES)}.")
    if not exact and measure != "gw":
        raise ArgumentError(f"--screened: has no effect on {measure}, which has no bounds; leave it out.")


def _taps(taps: list[str] | None) -> Any:
    """Return one set of taps by its name, or a list of taps."""
    sets = [tap for tap in taps or () if tap in ("auto", "blocks", "all")]
    if sets and len(taps or ()) > 1:
        raise ArgumentError(f"--taps: got the set {sets[0]!r} beside others; expected one set alone, or names of taps.")
    return sets[0] if sets else taps or "auto"


def _map_job(source: Source, asked: Asked, k: int | None, method: str, twins: int, folder: Path) -> str:
    from nngraph.similarity import boundaries, groups

    twins = twins if source.model is not None else 0
    if twins:
        _twin(source, asked, 0)  # whether there are twins is known before the map, which may take long
    reps = _representations(source, asked)
    n_samples = len(next(iter(reps.values()), ()))
    if n_samples == 2 and asked.measure == "gw":
        raise ArgumentError(
            f"{source.name}: got 2 samples; expected at least 3: two have one distance, which divided by the mean is "
            "the same at every tap."
        )
    with unfinished(folder) as parts:
        D, rest = _map(reps, asked, parts / "map")
        nulls = []
        for i in range(twins):  # of gw it is enough to solve what decides, and neighbours in depth always are
            fresh = _representations(source._replace(model=_twin(source, asked, i)), asked._replace(taps=list(reps)))
            options = {**asked.options, "exact": False} if asked.measure == "gw" else asked.options
            nulls.append(_map(fresh, asked._replace(options=options), parts / f"twin-{i}")[0])
        squared = asked.measure == "gw"
        grouped = groups(D, k, method=method, squared=squared, rng=asked.rng)  # type: ignore[arg-type]
        steps = boundaries(D, nulls or None, squared=squared) if len(D) > 2 else None
        _write_map(folder, D, rest, grouped, steps)
    head = f"{len(D)} taps of {source.name}, {n_samples:,} samples, measure {asked.measure}\n"
    return head + _summary(grouped, steps, len(nulls), found=k is None)


def _twin(source: Source, asked: Asked, i: int) -> Any:
    from nngraph._rng import child, seed_sequence
    from nngraph.twins import untrained_twin

    return untrained_twin(source.model, source.inputs, rng=child(seed_sequence(asked.rng), "twin", i))


def _representations(source: Source, asked: Asked) -> Any:
    from nngraph.similarity import representations

    if source.model is not None:
        return representations(source.model, source.inputs, asked.taps, n=asked.n, rng=asked.rng)
    held = dict(source.reps)
    held.pop("ids", None)
    taps = asked.taps if isinstance(asked.taps, list) else []
    if missing := [tap for tap in taps if tap not in held]:
        raise ArgumentError(f"--taps: got {missing[0]!r}; the file has {', '.join(list(held)[:12])}.")
    return rows_of({tap: held[tap] for tap in taps or held}, asked.n, asked.rng)


def _map(reps: Any, asked: Asked, folder: Path) -> tuple[pd.DataFrame, GromovMap | None]:
    """Return the distances between taps, and of gw the whole result, whose finished parts a folder keeps."""
    from nngraph.similarity import gromov_map, matrix

    if asked.measure != "gw":
        return matrix(reps, asked.measure, n_jobs=asked.jobs, **asked.options), None
    found = gromov_map(reps, n_jobs=asked.jobs, folder=folder, **asked.options)
    return found.squared, found


def _write_map(
    folder: Path, D: pd.DataFrame, rest: GromovMap | None, grouped: Groups, steps: pd.DataFrame | None
) -> None:
    import pandas as pd

    from nngraph.plot import layer_figure

    tables = {"map": D}
    if rest is not None:
        tables |= {name: getattr(rest, name) for name in ("root", "lower", "identity", "solved", "start")}
    tables["groups"] = pd.DataFrame({"group": grouped.labels, "silhouette": grouped.silhouettes})
    tables["curve"] = grouped.curve
    if steps is not None:
        tables["boundaries"] = steps
    write(folder, tables, layer_figure(D, groups=grouped, boundaries=steps), "layers")


def _summary(grouped: Groups, steps: pd.DataFrame | None, twins: int, *, found: bool) -> str:
    """Return the groups and why they are as many, and the peaks, a line each."""
    lines = [f"{grouped.k} {'group' if grouped.k == 1 else 'groups'} ({grouped.method}){_why(grouped, found=found)}"]
    for number, members in enumerate(grouped.members):
        ends = members[0] if len(members) == 1 else f"{members[0]} ... {members[-1]}"
        lines.append(f"  {number}: {ends} ({len(members)} {'tap' if len(members) == 1 else 'taps'})")
    if steps is not None:
        peaks = steps[steps["peak"]]
        against = f"against {twins} untrained {'twin' if twins == 1 else 'twins'}" if twins else "against no twin"
        lines.append(f"boundaries: {int(steps['boundary'].sum())} of {len(peaks)} peaks, {against}")
        lines += [f"  {row.previous} -> {tap}: {row.distance:.3g} ({row.reason})" for tap, row in peaks.iterrows()]
    return "\n".join(lines)


def _why(grouped: Groups, *, found: bool) -> str:
    """Say what the number of groups rests on."""
    tested = "not tested" if grouped.p != grouped.p else f"p = {grouped.p:.3f}"
    if grouped.k > 1:
        return f": mean silhouette {grouped.silhouette:.2f}, {tested if found else 'as asked'}"
    if not found:
        return ", as asked"
    best = grouped.curve["silhouette"].dropna()
    if not len(best):
        return f": too few taps ({len(grouped.labels)}) to try more"
    return (
        f": the best of more, {best.idxmax()} groups of mean silhouette {best.max():.2f}, is no more than steady drift "
        f"gives ({tested})"
    )
