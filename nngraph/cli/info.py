"""``nngraph info``: what a file holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nngraph.cli._common import one_sentence


def info(
    file: Annotated[Path, typer.Argument(help="A .nngraph file, or .safetensors or state_dict weights.")],
) -> None:
    """Print the graph of a file, or the matrices of a file of weights as graphs of their own.

    Example: nngraph info results/digits/networks/00-easy-0-7-000.nngraph
    """
    with one_sentence():
        if file.suffix == ".nngraph":
            from nngraph.io.native import load

            typer.echo(repr(load(file)))
            return
        from nngraph.blocks import Block
        from nngraph.convert.files import load_state
        from nngraph.graph import NeuralGraph

        blocks, rest = [], []
        for name, tensor in load_state(file).items():
            if tensor.ndim == 2 and tensor.is_floating_point():
                dtype = str(tensor.dtype).removeprefix("torch.")
                weights = (tensor.float() if dtype == "bfloat16" else tensor).detach().numpy()
                blocks.append(Block.from_dense(name, f"{name}:in", f"{name}:out", weights, weights != 0, dtype=dtype))
            else:
                rest.append(f"{name} {'x'.join(map(str, tensor.shape)) or 'scalar'}")
        typer.echo(repr(NeuralGraph(blocks)))
        if rest:
            typer.echo(f"  no matrices: {', '.join(rest[:12])}{' ...' if len(rest) > 12 else ''}")
