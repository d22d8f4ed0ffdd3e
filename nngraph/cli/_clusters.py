"""The option ``--cluster``: the workers of a dask scheduler instead of processes of this machine."""

from __future__ import annotations

import contextlib
import urllib.parse
from collections.abc import Iterator
from typing import Any

from nngraph.errors import ArgumentError, StudyError

_SCHEMES = ("tcp", "tls", "ws", "wss", "ucx")
HELP = "Address of a dask scheduler, as tcp://node7:8786: its workers do the work; --jobs has no effect."


@contextlib.contextmanager
def cluster(address: str | None, *, patience: float = 10.0) -> Iterator[None]:
    """Have joblib work on the scheduler's workers inside of the block, or as ever where there is no address."""
    if address is None:
        yield
        return
    import joblib

    try:
        import distributed
    except ImportError:
        raise ArgumentError(
            "--cluster: needs dask.distributed, which is not installed; pip install nngraph[cluster]."
        ) from None
    _check(address)
    try:
        client: Any = distributed.Client(address, timeout=patience, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise StudyError(
            f"--cluster: no scheduler answers at {address} ({reason}). Start one with `dask scheduler`, and give the "
            "address that it prints."
        ) from None
    with client:
        if not client.scheduler_info(n_workers=-1)["workers"]:
            try:
                client.wait_for_workers(1, timeout=patience)
            except (TimeoutError, distributed.TimeoutError):
                raise StudyError(
                    f"--cluster: the scheduler at {address} has no workers; start some with `dask worker {address} "
                    "--nthreads 1`."
                ) from None
        with joblib.parallel_config(backend="dask", client=client):
            yield


def _check(address: str) -> None:
    """Refuse what is no address before a client is made, which would go on trying in the background."""
    parts = urllib.parse.urlsplit(address)
    try:
        whole = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port is not None
    except ValueError:  # a port that is no number, or none that exists
        whole = False
    if not whole:
        raise ArgumentError(f"--cluster: got {address!r}; expected the address of a scheduler, as tcp://node7:8786.")
