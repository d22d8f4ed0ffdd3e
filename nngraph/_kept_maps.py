"""Maps kept in files, each with a fingerprint of everything that it was made from."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nngraph.errors import FormatError, StudyError
from nngraph.io._atomic import replacing

if TYPE_CHECKING:
    import pandas as pd


def digest(parts: Iterable[bytes]) -> str:
    """Return the SHA-256 of parts, each with its length."""
    found = hashlib.sha256()
    for part in parts:
        found.update(len(part).to_bytes(8, "little"))
        found.update(part)
    return found.hexdigest()


def bits(value: Any) -> Iterator[bytes]:
    """Yield names, types, shapes and bits of arrays, alone or in mappings and sequences."""
    if isinstance(value, Mapping):
        for name in value:
            yield str(name).encode()
            yield from bits(value[name])
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from bits(part)
    elif isinstance(value, torch.Tensor):
        flat = value.detach().cpu().contiguous()
        yield f"{flat.dtype}{tuple(flat.shape)}".encode()
        yield flat.flatten().view(torch.uint8).numpy().tobytes()  # bfloat16 is no type of numpy
    elif value is not None:
        array = np.ascontiguousarray(value)
        yield f"{array.dtype}{array.shape}".encode()
        yield array.tobytes()


def write(file: Path, key: str, D: pd.DataFrame) -> None:
    """Keep a map under its fingerprint."""
    content = io.BytesIO()
    np.savez(
        content,
        key=np.array(key),
        taps=np.array(list(D.index), dtype=str),
        distances=D.to_numpy(),
        attrs=np.array(json.dumps(D.attrs, default=str)),
    )
    with replacing(file) as opened:
        opened.write(content.getvalue())


def read(file: Path, key: str) -> pd.DataFrame:
    """Return a kept map, or raise where the fingerprint is another."""
    import pandas as pd

    try:
        with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as held:
            found = {name: held[name] for name in held.files}
        if str(found["key"]) != key:
            raise StudyError(
                f"{file}: holds the map of other inputs, settings or weights; expected those of this run. Pass another "
                "folder, or delete this one."
            )
        D = pd.DataFrame(found["distances"], index=found["taps"].tolist(), columns=found["taps"].tolist())
        D.attrs.update(json.loads(str(found["attrs"])))
    except StudyError:
        raise
    except Exception as error:  # a damaged zip file can fail in any way
        raise FormatError(f"{file}: no whole map of a checkpoint ({error}); delete it.") from None
    return D
