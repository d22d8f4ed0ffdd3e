"""One decorator that compiles the kernels, with a cache on disk."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import partial
from typing import Any


def jit(function: Callable[..., Any]) -> Any:
    """Compile with a cache on disk: beside the kernel, else in the user's cache folder, else in a temporary folder."""
    return _compiled(function)


def jit_finite(function: Callable[..., Any]) -> Any:
    """Compile a kernel that never meets NaN: minima and maxima over rows then use the processor's vectors."""
    return _compiled(function, fastmath={"nnan", "nsz"})


def jit_sums(function: Callable[..., Any]) -> Any:
    """Compile a kernel whose sums may be taken in any order, in vectors too, and that never meets NaN."""
    return _compiled(function, fastmath={"nnan", "nsz", "reassoc", "contract"})


def _compiled(function: Callable[..., Any], **options: object) -> Any:
    import numba  # here, so that nothing but the kernels themselves loads it

    compile_ = partial(numba.njit, nogil=True, error_model="numpy", **options)
    try:
        return compile_(cache=True)(function)
    except RuntimeError:  # numba finds neither of its two folders writable
        user = os.getuid() if hasattr(os, "getuid") else 0
        folder = os.path.join(tempfile.gettempdir(), f"nngraph-kernels-{user}")
        os.makedirs(folder, mode=0o700, exist_ok=True)
        if os.stat(folder).st_uid != user:  # another user's: never load code from it
            return compile_()(function)
        before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, folder
        try:
            return compile_(cache=True)(function)
        finally:
            numba.config.CACHE_DIR = before
