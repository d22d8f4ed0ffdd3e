"""Statistics by name, as the columns of tables carry them: "degree(side=target, sign=+)"."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from nngraph.errors import ArgumentError
from nngraph.graph import NeuralGraph
from nngraph.stats.centralities import by_igraph

Function: TypeAlias = Callable[[NeuralGraph], Any]
Statistics: TypeAlias = str | Function | Mapping[str, str | Function] | Sequence[str | Function]


class Statistic(NamedTuple):
    name: str
    function: Function
    renamed: bool
    """True where the name is the user's own: it names the column in the place of the Series' name."""
    arguments: tuple[str, ...] = ()
    """Arguments that the text gives."""

    def is_about_an_argument(self, error: ArgumentError) -> bool:
        """Return whether an error names an argument that the text gives, as "where: argument: got ..."."""
        return any(re.search(rf"(^|: ){argument}: got ", str(error)) for argument in self.arguments)


def chosen(statistics: Statistics, *, of_nodes: bool) -> list[Statistic]:
    """Return statistics in the order given."""
    if isinstance(statistics, str) or callable(statistics):
        statistics = [statistics]
    if not isinstance(statistics, (Mapping, Sequence)) or not statistics:
        raise ArgumentError(f"table: statistics: got {statistics!r}; expected names, functions, or a mapping of them.")
    named: list[tuple[Any, Any]] = list(
        statistics.items() if isinstance(statistics, Mapping) else [(None, one) for one in statistics]
    )
    found: dict[str, Statistic] = {}
    for own, one in named:
        function = _known(one, of_nodes=of_nodes) if isinstance(one, str) else one
        if not callable(function):
            raise ArgumentError(f"table: statistics: got {one!r}; expected a name or a function.")
        name = own or (one if isinstance(one, str) else getattr(one, "__name__", type(one).__name__))
        if name in found:
            raise ArgumentError(f"table: statistics: got {name!r} twice; give a mapping from names of your own.")
        arguments = tuple(function.keywords) if isinstance(function, partial) else ()
        found[name] = Statistic(name, function, own is not None, arguments)
    return list(found.values())


def _known(text: str, *, of_nodes: bool) -> Function:
    """Return the statistic that a text such as "degree(side=target, sign=+)" names."""
    from nngraph.stats import NETWORK, NODE, VERDICTS

    registry: Mapping[str, Callable[..., Any]] = NODE if of_nodes else NETWORK | VERDICTS
    parsed = re.fullmatch(r"\s*([\w.]+)\s*(?:\((.*)\))?\s*", text)
    if parsed is None:
        raise ArgumentError(f"table: got {text!r}; expected a name, or a name and arguments as 'degree(side=target)'.")
    name, arguments = parsed[1], _arguments(text, parsed[2] or "")
    if of_nodes and name.startswith("igraph."):
        return lambda G: by_igraph(G, name.removeprefix("igraph."), **arguments)
    if name not in registry:
        near = difflib.get_close_matches(name, registry, n=3)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are {', '.join(registry)}."
        other = NETWORK | VERDICTS if of_nodes else NODE
        level = "blocks and networks" if of_nodes else "nodes and parts"
        hint = f"that is a statistic of {level}." if name in other else hint
        raise ArgumentError(f"table: no statistic of {'nodes' if of_nodes else 'blocks'} is called {name!r}: {hint}")
    takes = list(inspect.signature(registry[name]).parameters)[1:]
    for key in arguments:
        if key not in takes:
            raise ArgumentError(f"table: {name} takes no argument {key!r}; it takes {', '.join(takes) or 'none'}.")
    return partial(registry[name], **arguments)


def _arguments(text: str, inside: str) -> dict[str, Any]:
    """Read "side=target, sign=+"."""
    found: dict[str, Any] = {}
    for piece in filter(None, map(str.strip, inside.split(","))):
        key, equals, value = map(str.strip, piece.partition("="))
        if not equals or not key.isidentifier() or not value:
            raise ArgumentError(f"table: {text!r}: got {piece!r} as an argument; expected name=value.")
        found[key] = _value(value)
    return found


def _value(text: str) -> object:
    if text in ("None", "True", "False"):
        return {"None": None, "True": True, "False": False}[text]
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text.strip("'\"")
