"""One decorator that compiles the kernels, with a cache on disk."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import partial
from typing import Any

import numba


def jit(function: Callable[..., Any]) -> Any:
    """Compile with a cache on disk: beside this file, else in the user's cache folder, else in a temporary folder."""
    compile_ = partial(numba.njit, nogil=True, error_model="numpy")
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
