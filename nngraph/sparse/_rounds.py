"""What is kept of each round of pruning: in memory, or in a folder from which a run that was cut short goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import nn

from nngraph._folders import opened
from nngraph.convert.torch import to_torch
from nngraph.errors import ArgumentError, FormatError
from nngraph.graph import NeuralGraph
from nngraph.io._atomic import replacing
from nngraph.io.native import load, save

Row: TypeAlias = dict[str, Any]
Rest: TypeAlias = dict[str, torch.Tensor]
"""Parameters and buffers of a model that are no part of its graph, as those of a normalisation."""
START = "start"
OK = "ok"
UNSCORED = "not scored"
"""Status of a round that is trained and kept, and whose scores are not known yet."""
COLUMNS = ("round", "edges", "density", "seconds", "status")
"""Columns of every row, beside the density of each block ("density:...")."""


class Rounds:
    """Rows, graphs, and what else a model holds, by round; with a folder each is a file, there whole or not at all."""

    def __init__(self, folder: str | os.PathLike[str] | None, settings: Mapping[str, Any]) -> None:
        self.folder = None if folder is None else opened(Path(folder), settings)
        self._kept: dict[str, tuple[NeuralGraph, Rest]] = {}
        self._rows: dict[int, Row] = {}
        for path in sorted(self.folder.glob("round_*.json")) if self.folder is not None else []:
            try:
                row = json.loads(path.read_text(encoding="utf-8"))
                if missing := [name for name in COLUMNS if name not in row]:
                    raise KeyError(missing[0])
                self._rows[int(row["round"])] = row
            except (ValueError, KeyError, TypeError) as error:
                raise FormatError(
                    f"{path}: is no row of a round ({type(error).__name__}: {error}); delete it, and the round runs "
                    "anew."
                ) from None

    @property
    def rows(self) -> list[Row]:
        """The rows of the rounds that are done, in the order of rounds."""
        return [self._rows[number] for number in sorted(self._rows)]

    def row(self, number: int) -> Row | None:
        """Return the row of a round that is done, or None."""
        return self._rows.get(number)

    def has_start(self) -> bool:
        """Tell whether the weights that rounds start from are known."""
        return START in self._kept or (self.folder is not None and (self.folder / f"{START}.safetensors").exists())

    def keep(self, name: str, G: NeuralGraph, rest: Rest) -> None:
        """Keep a graph and the rest of its model."""
        if self.folder is None:
            self._kept[name] = G, rest
            return
        from safetensors.torch import save as packed

        save(G, self.folder / f"{name}.nngraph")
        with replacing(self.folder / f"{name}.safetensors") as file:
            file.write(packed(rest))

    def finish(self, row: Row) -> None:
        """Note that a round is done; last, as nothing of the round is read without its row."""
        number = int(row["round"])
        if self.folder is not None:
            with replacing(self.folder / f"{named(number)}.json") as file:
                file.write((json.dumps(row, indent=1) + "\n").encode())
        self._rows[number] = row

    def kept(self, name: str) -> tuple[NeuralGraph, Rest]:
        """Return a graph and the rest of its model."""
        if self.folder is None:
            return self._kept[name]
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        path = self.folder / f"{name}.safetensors"
        try:
            return load(self.folder / f"{name}.nngraph"), load_file(path)
        except (SafetensorError, OSError) as error:
            again = "the folder" if name == START else f"{name}.json, and the round runs anew"
            raise FormatError(f"{path}: cannot be read ({error}); delete {again}.") from None

    def of(self, number: object) -> tuple[NeuralGraph, Rest]:
        """Return what is kept of a round, or say which rounds there are."""
        done = [row["round"] for row in self.rows if row["status"] == OK]
        if isinstance(number, bool) or number not in done:
            failed = [row["round"] for row in self.rows if row["status"] not in (OK, UNSCORED)]
            again = ""
            if self.folder is not None and number in failed:
                file = named(failed[failed.index(number)])
                again = f" To train the one that failed anew, delete {self.folder / file}.json."
            raise ArgumentError(f"round: got {number!r}; expected one of those that were trained: {done}.{again}")
        return self.kept(named(int(number)))  # type: ignore[call-overload]


def named(number: int) -> str:
    """Return the name of the files of a round."""
    return f"round_{number:03d}"


def rest_of(model: nn.Module, G: NeuralGraph) -> Rest:
    """Return copies of the parameters and buffers that the graph does not hold."""
    origins = [block.origin for block in G.blocks if block.origin is not None]
    held = {name for origin in origins for name in (origin.parameter, origin.bias)}
    state = {name: value.detach() for name, value in model.state_dict().items()}
    places = {value.data_ptr() for name, value in state.items() if _base(name) in held and value.numel()}
    held |= {_base(name) for name, value in state.items() if value.data_ptr() in places}  # tied: other names of these
    return {name: value.cpu().clone().contiguous() for name, value in state.items() if _base(name) not in held}


def _base(name: str) -> str:
    """Return the name that an entry of a state has where nothing is pruned."""
    return name.removesuffix("_orig").removesuffix("_mask")


def restored(G: NeuralGraph, rest: Rest, like: nn.Module) -> nn.Module:
    """Return a copy of a model with the weights of a graph behind pruning masks, and with the rest."""
    model = to_torch(G, like, masks=True)
    model.load_state_dict({**model.state_dict(), **rest})
    return model
