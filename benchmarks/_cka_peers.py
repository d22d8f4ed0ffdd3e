"""One package that computes CKA, run as a process of its own: ``PYTHON _cka_peers.py PACKAGE``.

The process reads one request a line from stdin (JSON) and answers each with one line on stdout: processor seconds and
the values.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

DISTRIBUTIONS = {"ckatorch": "ckatorch", "cka": "pytorch-cka"}


class Peer:
    """A package, and the taps it is asked about: an (L, n, d) array."""

    def __init__(self, package: str) -> None:
        self.call = {"ckatorch": _ckatorch, "cka": _pytorch_cka}[package]()
        self.version = importlib.metadata.version(DISTRIBUTIONS[package])
        self.taps: Any = None

    def load(self, path: str, dtype: str) -> dict[str, Any]:
        """Read the taps."""
        import torch

        torch.set_num_threads(1)
        self.taps = torch.from_numpy(np.load(path).astype(dtype))
        return {}

    def run(self, taps: int) -> dict[str, Any]:
        """Compare the first taps with each other."""
        began = time.process_time()
        values = self.call(self.taps[:taps])
        return {"seconds": time.process_time() - began, "values": np.asarray(values, float).tolist()}


def _pytorch_cka() -> Callable[[Any], Any]:
    from cka import cka_from_features

    return lambda taps: cka_from_features(taps, taps)


def _ckatorch() -> Callable[[Any], Any]:
    from ckatorch.core import cka_base

    def table(taps: Any) -> Any:
        """Each pair by a call of its own: the package has no function that takes several taps."""
        found = np.eye(len(taps))
        for i in range(len(taps)):
            for j in range(i):
                found[i, j] = found[j, i] = float(cka_base(taps[i], taps[j], unbiased=True))
        return found

    return table


def main() -> None:
    # what a package prints goes to stderr, so that stdout carries answers alone
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        peer = Peer(sys.argv[1])
    except ImportError as error:
        print(json.dumps({"missing": str(error)}), file=answers, flush=True)
        return
    print(json.dumps({"version": peer.version}), file=answers, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(getattr(peer, request.pop("do"))(**request)), file=answers, flush=True)


if __name__ == "__main__":
    main()
