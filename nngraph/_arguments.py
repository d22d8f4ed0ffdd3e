"""Checks of single arguments, each with one sentence for what does not pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from nngraph.errors import ArgumentError


def whole(name: str, value: object, least: int = 1, most: int | None = None, *, of: str = "", also: str = "") -> int:
    """Return a whole number within bounds; ``of`` is said behind what was got, ``also`` behind what was expected."""
    is_whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if is_whole and least <= int(value) and (most is None or int(value) <= most):  # type: ignore[call-overload]
        return int(value)  # type: ignore[call-overload, no-any-return]
    bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
    raise ArgumentError(f"{name}: got {value!r}{of}; expected a whole number {bounds}{also}.")


def number(name: str, value: object, expected: str, allowed: Callable[[float], bool]) -> float:
    """Return a real number that is allowed, or say what was expected."""
    is_real = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if is_real and allowed(float(value)):  # type: ignore[arg-type]
        return float(value)  # type: ignore[arg-type]
    raise ArgumentError(f"{name}: got {value!r}; expected {expected}.")


def share(name: str, value: object) -> float:
    """Return a number between 0 and 1, both left out."""
    return number(name, value, "a number between 0 and 1", lambda x: 0 < x < 1)


def choice(name: str, value: object, known: Iterable[str]) -> str:
    """Return one of the names that are known."""
    known = list(known)
    if isinstance(value, str) and value in known:
        return value
    raise ArgumentError(f"{name}: got {value!r}; expected one of {', '.join(map(repr, known))}.")


def flag(name: str, value: object) -> bool:
    """Return a truth value."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise ArgumentError(f"{name}: got {value!r}; expected True or False.")


def processes(value: object) -> int:
    """Return a number of processes as joblib counts them."""
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value != 0:
        return int(value)
    raise ArgumentError(f"n_jobs: got {value!r}; expected a number of processes, or -1 for one a core.")


def texts(where: str, names: Iterable[object]) -> list[str]:
    """Return names as texts that stay apart, in memory and in files."""
    given = list(names)
    made = [str(name) for name in given]
    if len(set(made)) < len(made):
        twice = next(name for name in made if made.count(name) > 1)
        same = [name for name in given if str(name) == twice]
        raise ArgumentError(
            f"{where}: got the names {', '.join(map(repr, same))}, which are one text; expected names that differ as "
            "texts."
        )
    if odd := [name for name in made if "\0" in name]:
        raise ArgumentError(f"{where}: got the name {odd[0]!r} with the character NUL; expected names without it.")
    return made
