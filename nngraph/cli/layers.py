"""``nngraph layers``: distances between the layers of a model, its groups of layers, and its boundaries."""

from __future__ import annotations

import enum
import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from nngraph.cli._common import call, is_function, one_sentence
from nngraph.errors import ArgumentError, FormatError

if TYPE_CHECKING:
    import pandas as pd
    import torch

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


class Source(NamedTuple):
    """What the layers are of: representations alone, or a model with its inputs and the way to untrained ones."""

    name: str
    reps: Any
    model: torch.nn.Module | None = None
    inputs: Any = None


def layers(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[SOURCE]",
            help="pkg.module:function that returns a model in evaluation mode, or a model and its inputs; or an .npz "
            "file of representations, one (samples, dimensions) array for each tap. Without it a small transformer "
            "that adds modulo 59, which comes with the package.",
        ),
    ] = None,
    inputs: Annotated[
        str | None,
        typer.Option(
            help="What the model sees: an .npy array, an .npz file of one array or of arrays by argument name, or the "
            "name of a data set: digits, fashion-mnist, mnist, cifar-10, colour-patches."
        ),
    ] = None,
    taps: Annotated[
        list[str] | None,
        typer.Option(help="auto, blocks, all, or the name of a tap or module; may be given several times."),
    ] = None,
    measure: Annotated[str, typer.Option(help="gw, cka, rsa, or any other of nngraph.similarity.MEASURES.")] = "gw",
    n: Annotated[
        int | None, typer.Option(help="Samples; 1,000 by default, and 200 without a source.", min=2, show_default=False)
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
    rng: Annotated[int, typer.Option(help="Seed of the samples and of the twins.", min=0)] = 0,
    jobs: Annotated[int, typer.Option("--jobs", "--n-jobs", help="Processes.", min=1)] = 1,
    out: Annotated[Path | None, typer.Option(help="Folder; by default results/layers-SOURCE.")] = None,
) -> None:
    """Map the distances between the layers of a model, group the layers, and say which boundaries training made.

    Writes map.csv (of gw the squared objective, with its root, bounds, and which pairs were solved beside),
    groups.csv, boundaries.csv, and the figure layers.png and layers.svg.

    Examples: nngraph layers; nngraph layers mine:net --inputs images.npy --measure cka; nngraph layers taps.npz --k 4
    --method spectral --out results/taps
    """
    with one_sentence():
        from nngraph.similarity import boundaries, groups
        from nngraph.similarity.measures import MEASURES

        if measure not in MEASURES:
            raise ArgumentError(f"--measure: got {measure!r}; expected one of {', '.join(MEASURES)}.")
        if not exact and measure != "gw":
            raise ArgumentError(f"--screened: has no effect on {measure}, which has no bounds; leave it out.")
        if source is None and inputs is not None:
            raise ArgumentError("--inputs: needs a source, the model that sees them.")
        chosen = _model_0() if source is None else _source(source, inputs)
        number = n or (200 if source is None else 1000)
        reps = _representations(chosen, taps, number, rng)
        D, rest = _map(reps, measure, exact=exact, jobs=jobs)
        nulls = []
        if null is Null.untrained and chosen.model is not None:
            nulls = _maps_of_twins(chosen.model, chosen.inputs, list(reps), measure, number, twins, rng, jobs)
        squared = measure == "gw"
        grouped = groups(D, k, method=method.value, squared=squared, rng=rng)
        steps = boundaries(D, nulls or None, squared=squared) if len(D) > 2 else None
        folder = out or Path("results") / f"layers-{chosen.name}"
        _write(folder, D, rest, grouped, steps)
        n_samples = len(next(iter(reps.values())))
        typer.echo(f"{len(D)} taps of {chosen.name}, {n_samples:,} samples, measure {measure}")
        typer.echo(_summary(grouped, steps, len(nulls)), nl=False)
        typer.echo(f"nngraph: tables and figures are in {folder}", err=True)


def _model_0() -> Source:
    from nngraph.reproduce.layer_groups import modular

    return Source("modular-0", None, modular.load("0"), modular.pairs())


def _source(source: str, inputs: str | None) -> Source:
    """Read representations from a file, or call a function for a model; a path is always a file."""
    if not is_function(source):
        if inputs is not None:
            raise ArgumentError(f"--inputs: has no effect, because {source} is no function; leave it out.")
        if Path(source).suffix != ".npz":
            raise ArgumentError(
                f"{source}: got a file that does not end in .npz; expected representations, or pkg.module:function "
                "that returns a model. Weights alone do not say how a model uses them."
            )
        return Source(Path(source).stem, _arrays(Path(source)))
    import torch

    found, given = call("SOURCE", source), None
    if isinstance(found, tuple) and len(found) == 2 and isinstance(found[0], torch.nn.Module):
        found, given = found
    if not isinstance(found, torch.nn.Module):
        raise ArgumentError(
            f"{source}: returned {type(found).__name__}; expected a torch module, alone or as (module, inputs)."
        )
    if inputs is not None:
        given = _inputs(inputs, found)
    if given is None:
        raise ArgumentError(
            f"{source}: returned a model alone; expected its inputs too: pass --inputs, or return (model, inputs)."
        )
    return Source(source.replace(":", "-"), None, found, given)


def _arrays(path: Path) -> dict[str, Any]:
    """Read the arrays of an .npz file by name, without running code from it."""
    import numpy as np

    if not path.is_file():
        raise ArgumentError(f"{path}: there is no such file.")
    try:
        held = np.load(io.BytesIO(path.read_bytes()), allow_pickle=False)  # a file that fails would stay open
        return {"": held} if isinstance(held, np.ndarray) else {name: held[name] for name in held.files}
    except Exception as error:  # a damaged zip file can fail in any way
        raise FormatError(f"{path}: cannot be read as arrays ({error}); save them with numpy.savez.") from None


def _inputs(name: str, model: torch.nn.Module) -> Any:
    """Return the inputs of a file, or the images of a data set in the shape that the model sees."""
    if Path(name).suffix in (".npy", ".npz"):
        found = _arrays(Path(name))
        return next(iter(found.values())) if len(found) == 1 else found
    import torch

    from nngraph.datasets import load

    data = load(name)
    images = data.images if data.test_images is None else data.test_images
    if any(isinstance(module, torch.nn.Conv2d) for module in model.modules()):
        channels = data.image_shape[0] if len(data.image_shape) == 3 else 1
        images = images.reshape(-1, channels, *data.image_shape[-2:])
    return images


def _representations(source: Source, taps: list[str] | None, n: int, rng: int) -> Any:
    from nngraph.similarity import representations

    if source.model is None:
        held = dict(source.reps)
        held.pop("ids", None)
        if missing := [tap for tap in taps or () if tap not in held]:
            raise ArgumentError(f"--taps: got {missing[0]!r}; the file has {', '.join(list(held)[:12])}.")
        return {tap: _rows(held[tap], n, rng) for tap in taps or held}
    chosen: Any = "auto" if not taps else taps[0] if taps in (["auto"], ["blocks"], ["all"]) else taps
    return representations(source.model, source.inputs, chosen, n=n, rng=rng)


def _rows(array: Any, n: int, rng: int) -> Any:
    """Take n rows of an array, the same of every array of the same length."""
    import numpy as np

    from nngraph._rng import child, generator, seed_sequence

    if array.ndim == 0 or len(array) <= n:
        return array
    return array[np.sort(generator(child(seed_sequence(rng), "rows", len(array))).permutation(len(array))[:n])]


def _map(reps: Any, measure: str, *, exact: bool, jobs: int) -> tuple[pd.DataFrame, GromovMap | None]:
    """Return the distances between taps, and of gw the whole result."""
    from nngraph.similarity import gromov_map, matrix

    if measure != "gw":
        return matrix(reps, measure, n_jobs=jobs), None
    found = gromov_map(reps, exact=exact, n_jobs=jobs)
    return found.squared, found


def _maps_of_twins(
    model: torch.nn.Module, inputs: Any, taps: list[str], measure: str, n: int, twins: int, rng: int, jobs: int
) -> list[pd.DataFrame]:
    """Map untrained twins; of gw it is enough to solve what decides, and neighbours in depth always are."""
    from nngraph._rng import child, seed_sequence
    from nngraph.similarity import representations
    from nngraph.twins import untrained_twin

    maps = []
    for i in range(twins):
        twin = untrained_twin(model, inputs, rng=child(seed_sequence(rng), "twin", i))
        maps.append(_map(representations(twin, inputs, taps, n=n, rng=rng), measure, exact=False, jobs=jobs)[0])
    return maps


def _write(folder: Path, D: pd.DataFrame, rest: GromovMap | None, grouped: Groups, steps: pd.DataFrame | None) -> None:
    import pandas as pd

    from nngraph.io._atomic import replacing
    from nngraph.plot import layer_figure

    folder.mkdir(parents=True, exist_ok=True)
    tables: dict[str, pd.DataFrame] = {"map": D}
    if rest is not None:
        tables |= {name: getattr(rest, name) for name in ("root", "lower", "identity", "solved", "start")}
    tables["groups"] = pd.DataFrame({"group": grouped.labels, "silhouette": grouped.silhouettes})
    if steps is not None:
        tables["boundaries"] = steps
    for name, table in tables.items():
        with replacing(folder / f"{name}.csv") as file:
            table.to_csv(file, index_label="tap")
    figure = layer_figure(D, groups=grouped, boundaries=steps)
    for kind in ("png", "svg"):
        with replacing(folder / f"layers.{kind}") as file:
            figure.savefig(file, format=kind, dpi=200)


def _summary(grouped: Groups, steps: pd.DataFrame | None, twins: int) -> str:
    """Return the groups and the peaks, a line each."""
    lines = [f"{grouped.k} {'group' if grouped.k == 1 else 'groups'} ({grouped.method})"]
    for number, members in enumerate(grouped.members):
        ends = members[0] if len(members) == 1 else f"{members[0]} ... {members[-1]}"
        lines.append(f"  {number}: {ends} ({len(members)} {'tap' if len(members) == 1 else 'taps'})")
    if steps is not None:
        peaks = steps[steps["peak"]]
        against = f"against {twins} untrained {'twin' if twins == 1 else 'twins'}" if twins else "against no twin"
        lines.append(f"boundaries: {int(steps['boundary'].sum())} of {len(peaks)} peaks, {against}")
        lines += [f"  {row.previous} -> {tap}: {row.distance:.3g} ({row.reason})" for tap, row in peaks.iterrows()]
    return "\n".join(lines) + "\n"
