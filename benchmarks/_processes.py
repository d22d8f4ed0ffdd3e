"""Tools of others, each in a process of its own, asked in turn."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def interpreters() -> list[str]:
    """Return the Pythons that may hold a peer: this one, those of NNGRAPH_PEERS, and Debian's (for graph-tool)."""
    named = [path for path in os.environ.get("NNGRAPH_PEERS", "").split(os.pathsep) if path]
    return [path for path in (sys.executable, *named, "/usr/bin/python3") if Path(path).exists()]


class Rewirer:
    """A running tool. ``version`` is None where no interpreter has it."""

    def __init__(self, name: str, script: str = "_rewirers.py") -> None:
        self.name = name
        self.version: str | None = None
        self._process: subprocess.Popen[str] | None = None
        own = name.startswith("nngraph")
        for python in interpreters()[: 1 if own else None]:
            self._process = subprocess.Popen(
                [python, str(HERE / script), name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env=_environment(own),
            )
            answer = self._answer(120)
            if answer is not None and "version" in answer:
                self.version = answer["version"]
                return
            self.close()

    def ask(self, do: str, timeout: float = 120, **request: object) -> dict[str, Any]:
        """Return the answer; one that has a key "failed" where the tool failed, ended, or took too long."""
        if self._process is None:
            return {"failed": "is not running"}
        assert self._process.stdin is not None
        print(json.dumps({"do": do, **request}), file=self._process.stdin, flush=True)
        answer = self._answer(timeout)
        if answer is None:
            self.close()
            return {"failed": f"no answer within {timeout:.0f} s"}
        return answer

    def _answer(self, timeout: float) -> dict[str, Any] | None:
        assert self._process is not None
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], timeout)
        line = self._process.stdout.readline() if ready else ""
        answer: dict[str, Any] | None = json.loads(line) if line else None
        return answer

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _environment(own: bool) -> dict[str, str]:
    """Return an environment of one thread; a peer finds its own interpreter's packages, the library those here."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment |= {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
    return environment | {"PYTHONPATH": str(HERE.parent)} if own else environment
