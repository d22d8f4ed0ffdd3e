"""Task complexity shapes internal representations and robustness (Jankowski et al., 2025): its claims, one by one."""

from nngraph.reproduce._rows import always
from nngraph.reproduce.ledger import Context, Experiment, Row
from nngraph.reproduce.probes import asked, transformer

__all__ = ["EXPERIMENTS"]


def _images(context: Context) -> list[Row]:
    from nngraph.reproduce.probes import images

    return images.run(context)


def _figures(context: Context) -> list[Row]:
    from nngraph.reproduce.probes import figures

    return figures.run(context)


def _pairs(context: Context) -> list[Row]:
    from nngraph.reproduce.probes import pairs

    return pairs.run(context)


def _widths(context: Context) -> list[Row]:
    from nngraph.reproduce.probes import widths

    return widths.run(context)


def _mnist(context: Context) -> list[Row]:
    from nngraph.reproduce.probes import others

    return others.mnist(context)


def _any_model(context: Context) -> list[Row]:
    from nngraph.reproduce.probes import others

    return others.any_model(context)


EXPERIMENTS = (
    Experiment("figure-6", asked.IMAGES, _images, {"quick": 0.1, "full": 1.0}, always("data", "seed")),
    Experiment("figures-1-3", asked.FIGURES, _figures, {"quick": 2.0, "full": 45.0}),
    Experiment("figures-4-8", asked.PAIRS, _pairs, {"quick": 1.5, "full": 55.0}),
    Experiment("mnist", asked.MNIST, _mnist, {"quick": 0.0, "full": 8.0}),
    Experiment("figures-10-13", asked.WIDTHS, _widths, {"quick": 1.0, "full": 12.0}),
    Experiment("any-model", asked.ANY_MODEL, _any_model, {"quick": 0.2, "full": 0.2}, always("seed")),
    *transformer.EXPERIMENTS,
)
