"""nngraph: neural networks as signed, weighted, multipartite graphs.

Every name below is imported when it is first used, so that ``import nngraph`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_SUBPACKAGES = (
    "complexity",
    "datasets",
    "dynamics",
    "errors",
    "finetuning",
    "interventions",
    "io",
    "nulls",
    "ops",
    "plot",
    "similarity",
    "sparse",
    "stats",
    "studies",
    "text",
)
_NAMES = {
    "Block": "graph",
    "Link": "graph",
    "NeuralGraph": "graph",
    "Part": "graph",
    "Study": "studies",
    "applied": "convert.torch",
    "evaluate": "evaluation",
    "from_igraph": "convert.igraph",
    "from_matrices": "convert.matrices",
    "from_networkx": "convert.networkx",
    "from_torch": "convert.torch",
    "layer_robustness": "robustness",
    "load": "io.native",
    "load_state": "convert.files",
    "load_weights": "convert.files",
    "mlp": "training",
    "read_graphml": "io.graphml",
    "resnet9": "models",
    "robustness_table": "robustness",
    "save": "io.native",
    "task_complexity": "complexity",
    "to_torch": "convert.torch",
    "train": "training",
    "train_many": "many_trainings",
    "training_dynamics": "checkpoints",
    "transformer": "models",
    "untrained_twin": "twins",
    "write_edges": "io.edges",
    "write_gexf": "io.gexf",
    "write_graphml": "io.graphml",
}

__all__ = ["__version__", *sorted([*_NAMES, *_SUBPACKAGES])]

if TYPE_CHECKING:
    from nngraph import complexity as complexity
    from nngraph import datasets as datasets
    from nngraph import dynamics as dynamics
    from nngraph import errors as errors
    from nngraph import finetuning as finetuning
    from nngraph import interventions as interventions
    from nngraph import io as io
    from nngraph import nulls as nulls
    from nngraph import ops as ops
    from nngraph import plot as plot
    from nngraph import similarity as similarity
    from nngraph import sparse as sparse
    from nngraph import stats as stats
    from nngraph import studies as studies
    from nngraph import text as text
    from nngraph.checkpoints import training_dynamics
    from nngraph.complexity import task_complexity
    from nngraph.convert.files import load_state, load_weights
    from nngraph.convert.igraph import from_igraph
    from nngraph.convert.matrices import from_matrices
    from nngraph.convert.networkx import from_networkx
    from nngraph.convert.torch import applied, from_torch, to_torch
    from nngraph.evaluation import evaluate
    from nngraph.graph import Block, Link, NeuralGraph, Part
    from nngraph.io.edges import write_edges
    from nngraph.io.gexf import write_gexf
    from nngraph.io.graphml import read_graphml, write_graphml
    from nngraph.io.native import load, save
    from nngraph.many_trainings import train_many
    from nngraph.models import resnet9, transformer
    from nngraph.robustness import layer_robustness, robustness_table
    from nngraph.studies import Study
    from nngraph.training import mlp, train
    from nngraph.twins import untrained_twin


def __getattr__(name: str) -> object:
    if name in _SUBPACKAGES:
        return importlib.import_module(f"nngraph.{name}")
    if name in _NAMES:
        value = getattr(importlib.import_module(f"nngraph.{_NAMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'nngraph' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
