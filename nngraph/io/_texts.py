"""Columns as text: one type a column, numbers in their shortest exact form, text safe for XML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nngraph.errors import ArgumentError

Texts: TypeAlias = Any
"""A pyarrow array of text, null where a value is missing."""

FORBIDDEN = r"[\x00-\x08\x0B\x0C\x0E-\x1F\x{FFFE}\x{FFFF}]"
ESCAPES = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"))
SPACES = (("\t", "&#9;"), ("\n", "&#10;"), ("\r", "&#13;"))  # a reader turns them into spaces otherwise
INT32 = 2**31


class Column(NamedTuple):
    """A column of a file: its name, its GraphML type, and its values as text that needs no more escaping."""

    name: str
    kind: str
    texts: Texts


def column(where: str, name: str, values: np.ndarray | Sequence[object]) -> Column:
    """Return values of one type as a column; None and NaN are missing. ``where`` opens the message of an error."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "biuf":
        array = pa.array(_native(values), from_pandas=True)  # NaN is null
    else:
        array = _of_objects(where, name, list(values))
    kind = _kind(array)
    texts = escaped(f"{where}: the column {name!r}", array) if kind == "string" else _numbers(array)
    return Column(name, kind, texts)


def decimals(values: np.ndarray) -> Texts:
    """Return finite numbers in the fewest digits that give the same number back in their own precision."""
    return pc.cast(pa.array(_native(values)), pa.string())


def escaped(what: str, texts: Texts) -> Texts:
    """Return text with the characters that mean something in XML written as references.

    Control characters (all below U+0020 but tab, line feed and carriage return), U+FFFE, U+FFFF and lone surrogates
    have no place in XML 1.0, not even as references: such text is refused, since replacing it would join two names.
    """
    forbidden = pc.fill_null(pc.match_substring_regex(texts, FORBIDDEN), False)  # noqa: FBT003
    if pc.any(forbidden).as_py():
        i = pc.index(forbidden, True).as_py()
        raise _no_xml(what, i, texts[i].as_py())
    for character, reference in (*ESCAPES, *SPACES):
        texts = pc.replace_substring(texts, character, reference)
    return texts


def text_array(what: str, texts: Sequence[str | None]) -> Texts:
    """Return text as an array; a lone surrogate, which no file of text can hold, is refused."""
    try:
        return pa.array(texts, pa.string())
    except UnicodeEncodeError:
        i = next(i for i, text in enumerate(texts) if text and text.encode("utf-8", "ignore").decode() != text)
        raise _no_xml(what, i, texts[i]) from None


def _no_xml(what: str, i: int, text: object) -> ArgumentError:
    return ArgumentError(f"{what}: entry {i}, {text!r}, has a character that XML cannot hold; rename it.")


def safe(what: str, text: str) -> str:
    """Return one text escaped for XML."""
    result: str = escaped(what, text_array(what, [text]))[0].as_py()
    return result


def wrapped(before: str, texts: Texts, after: str) -> Texts:
    """Return each text between two others, and nothing where it is missing."""
    return pc.fill_null(pc.binary_join_element_wise(before, texts, after, ""), "")


def joined(*pieces: Texts | str) -> memoryview:
    """Return the bytes of arrays of text, and of constants, put together element by element."""
    texts = pc.binary_join_element_wise(*pieces, "")
    _, offsets, data = texts.buffers()
    n_bytes = np.frombuffer(offsets, dtype=np.int32)[texts.offset + len(texts)] if len(texts) else 0
    return memoryview(data if data is not None else b"")[:n_bytes]


def _native(values: np.ndarray) -> np.ndarray:
    """Return numbers of a type that pyarrow writes: native byte order, no float16, no long double."""
    if values.dtype.kind == "f" and values.dtype.itemsize not in (4, 8):
        return values.astype(np.float32 if values.dtype.itemsize == 2 else np.float64)
    return np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("="))


def _of_objects(where: str, name: str, values: list[object]) -> Texts:
    """Return Python or numpy scalars as an array of one type."""
    plain = [value.item() if isinstance(value, np.generic) else value for value in values]
    plain = [None if isinstance(value, float) and value != value else value for value in plain]
    types = {type(value) for value in plain if value is not None}
    if types == {int, float}:
        types, plain = {float}, [float(value) if isinstance(value, int) else value for value in plain]
    try:
        if types <= {str}:
            return text_array(f"{where}: the column {name!r}", plain)  # type: ignore[arg-type]
        if len(types) == 1 and types <= {bool, int, float}:
            return pa.array(plain, {bool: pa.bool_(), int: pa.int64(), float: pa.float64()}[types.pop()])
    except OverflowError:
        raise ArgumentError(
            f"{where}: the column {name!r} has a whole number beyond 64 bits; give it as text."
        ) from None
    got = " and ".join(sorted(kind.__name__ for kind in types))
    raise ArgumentError(
        f"{where}: the column {name!r} holds {got}; expected one type: truth values, whole numbers, real numbers or "
        "text."
    )


def _kind(array: Texts) -> str:
    """Return the GraphML type of an array."""
    kind = array.type
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_integer(kind):
        ends = pc.min_max(array).as_py()
        return "int" if all(end is None or -INT32 <= end < INT32 for end in ends.values()) else "long"
    return {pa.float32(): "float", pa.float64(): "double"}.get(kind, "string")


def _numbers(array: Texts) -> Texts:
    """Return numbers and truth values as text; "Infinity" is what C, Java, JavaScript and Python all read."""
    texts = pc.cast(array, pa.string())
    return pc.replace_substring(texts, "inf", "Infinity") if pa.types.is_floating(array.type) else texts
