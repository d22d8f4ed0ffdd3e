"""``nngraph study``: train, perturb, randomise, draw and judge."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nngraph.cli._clusters import HELP
from nngraph.cli._clusters import cluster as on_cluster
from nngraph.cli._common import call, one_sentence
from nngraph.errors import ArgumentError

if TYPE_CHECKING:
    from nngraph.datasets import Dataset

_PAIRS = {"digits": "0,7 1,8", "fashion-mnist": "3,2 3,1", "mnist": "0,7 7,9"}


class Activation(enum.StrEnum):
    """Activations of :func:`nngraph.training.mlp`."""

    relu = "relu"
    tanh = "tanh"
    sigmoid = "sigmoid"


class Scaling(enum.StrEnum):
    """Ranges of pixels of :func:`nngraph.datasets.load`."""

    signed = "[-1,1]"
    unsigned = "[0,1]"


def study(
    context: typer.Context,
    data: Annotated[
        str, typer.Option(help="digits, fashion-mnist, mnist, or pkg.module:function that returns tasks.")
    ] = "digits",
    pairs: Annotated[
        str | None, typer.Option(help='Pairs of classes, as "0,7 1,8"; of two, the first is the easy one.')
    ] = None,
    seeds: Annotated[int, typer.Option(help="Networks for each task.", min=1)] = 12,
    draws: Annotated[int, typer.Option(help="Draws of each null model for each network.", min=1)] = 3,
    hidden: Annotated[str, typer.Option(help="Sizes of the hidden layers, as 64 or 64,32.")] = "64",
    activation: Annotated[Activation, typer.Option(help="Activation between layers.")] = Activation.relu,
    bias: Annotated[bool, typer.Option("--bias/--no-bias", help="Whether layers have biases.")] = True,
    epochs: Annotated[int, typer.Option(help="Epochs of training.", min=1)] = 10,
    every: Annotated[
        int, typer.Option(help="Steps between two evaluations on the samples that choose the best step.", min=1)
    ] = 1,
    scaling: Annotated[Scaling, typer.Option(help="Range of the pixels; it decides the result.")] = Scaling.signed,
    as_published: Annotated[
        bool, typer.Option("--as-published", help="Select on the test set, fold accuracies below chance.")
    ] = False,
    model: Annotated[
        str | None, typer.Option(help="pkg.module:function that returns a trained torch model, used as it is.")
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="Weights for --model: .safetensors or state_dict.")] = None,
    seed: Annotated[int, typer.Option(help="Root seed of everything random.", min=0)] = 0,
    jobs: Annotated[int | None, typer.Option(help="Processes; by default one for each core.", min=1)] = None,
    cluster: Annotated[str | None, typer.Option(help=HELP)] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder; by default results/DATA, or results/DATA-as-published.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how much there is to do, and stop.")] = False,
) -> None:
    """Probe and randomise trained networks: tables, figures and a page that says which claims hold.

    Without options: 12 networks on an easy and a hard pair of digits, in half a minute. A study that was stopped goes
    on where it was when the same command is given again.

    Examples: nngraph study; nngraph study --data fashion-mnist --out results/fashion; nngraph study --pairs "3,4 3,7"
    --seeds 4; nngraph study --model mine:net --weights net.safetensors --data mine:test_data
    """
    with one_sentence("stopped. The same command goes on from the last finished network."):
        from nngraph._tables import many
        from nngraph.studies import Study, Training

        if weights is not None and model is None:
            raise ArgumentError("--weights: needs --model, the function that makes the model they belong to.")
        unused = ["hidden", "activation", "bias", "epochs", "every"] if model is not None else []
        unused += ["scaling"] if ":" in data else []
        for name in unused:
            if (source := context.get_parameter_source(name)) is not None and source.name == "COMMANDLINE":
                why = "--model is used as it is" if name != "scaling" else f"{data} scales its own data"
                raise ArgumentError(f"--{name}: has no effect, because {why}; leave it out.")
        network: Any = Training(_sizes(hidden), activation.value, bias, epochs, every=every)
        if model is not None:
            network = _loaded(model, weights)
        chosen = Study(
            _tasks(data, pairs, scaling, trained=model is not None),
            seeds=seeds,
            draws=draws,
            rng=seed,
            network=network,
            as_published=as_published,
        )
        if dry_run:
            typer.echo(repr(chosen))
            return
        import joblib

        folder = out or Path("results") / (data.replace(":", "-") + ("-as-published" if as_published else ""))
        with on_cluster(cluster):
            table = chosen.run(folder, n_jobs=jobs or joblib.cpu_count())
        typer.echo((folder / "summary.md").read_text(encoding="utf-8"), nl=False)
        typer.echo(f"nngraph: tables, summary.md and figures are in {folder}", err=True)
        failed = table[table["status"].str.startswith("failed")]
        if len(failed):
            typer.echo(
                f"nngraph: {many(len(failed), 'row')} failed, the first with {failed['status'].iloc[0]!r}.", err=True
            )
            raise typer.Exit(1)


def _sizes(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(size) for size in text.split(","))
    except ValueError:
        raise ArgumentError(f"--hidden: got {text!r}; expected sizes as 64 or 64,32.") from None


def _tasks(data: str, pairs: str | None, scaling: Scaling, *, trained: bool) -> Any:
    from nngraph.datasets import Dataset, Task, load

    found = (
        call("--data", data) if ":" in data else load(data, scaling="[-1,1]" if scaling is Scaling.signed else "[0,1]")
    )
    if isinstance(found, Dataset):
        return _pair_tasks(found, pairs or _PAIRS.get(found.name, ""))
    if pairs is not None:
        raise ArgumentError(f"--pairs: {data} returns tasks, not a data set whose classes could be chosen.")
    if isinstance(found, Task):
        return [found]
    if trained and isinstance(found, tuple) and len(found) == 2:
        x, y = found
        return [Task(data, x, y, x, y)]  # the training half is not used
    if isinstance(found, (dict, list)) and found:
        return found
    raise ArgumentError(
        f"{data}: got {type(found).__name__}; expected a Dataset, a Task, a list or dict of tasks"
        + (" or (x, y) test data." if trained else ".")
    )


def _pair_tasks(dataset: Dataset, pairs: str) -> dict[str, Any]:
    import dataclasses

    chosen = [pair.split(",") for pair in pairs.split()]
    if not chosen:
        return {dataset.name: lambda rng: dataset.task(rng=rng)}
    if any(len(pair) != 2 for pair in chosen):
        raise ArgumentError(f'--pairs: got {pairs!r}; expected pairs of classes, as "0,7 1,8".')
    roles = ("easy ", "hard ") if len(chosen) == 2 else ("",) * len(chosen)
    tasks: dict[str, Any] = {}
    seen: list[set[str]] = []
    for role, (a, b) in zip(roles, chosen, strict=True):
        classes = [int(key) if key.isdigit() else key for key in (a, b)]
        task = dataset.pair(*classes, rng=0)  # checks the classes now, not in the first network
        names = [name if isinstance(name, str) else dataset.class_names[name] for name in classes]
        if set(names) in seen:
            raise ArgumentError(f"--pairs: got a pair twice in {pairs!r}.")
        seen.append(set(names))
        name = role + ("{" + ",".join(names) + "}" if all(len(name) == 1 for name in names) else "/".join(names))
        if dataset.test_images is None:
            tasks[name] = lambda rng, classes=classes: dataset.pair(*classes, rng=rng)
        else:
            tasks[name] = dataclasses.replace(task, name=name)
    return tasks


def _loaded(model: str, weights: Path | None) -> Any:
    import torch

    from nngraph.convert.files import load_weights

    found = call("--model", model)
    if not isinstance(found, torch.nn.Module):
        raise ArgumentError(f"--model: {model} returns a {type(found).__name__}; expected a torch.nn.Module.")
    return found if weights is None else load_weights(found, weights)
