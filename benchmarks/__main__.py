"""Run every benchmark in turn, or those named: ``python -m benchmarks [loops] [views] [blocks]``."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys

import benchmarks

# one thread, so that a ratio compares work and not the number of cores; before numpy and torch are loaded
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")


def main(names: list[str]) -> None:
    found = sorted(module.name for module in pkgutil.iter_modules(benchmarks.__path__) if module.name[:6] == "bench_")
    unknown = [name for name in names if f"bench_{name}" not in found]
    if unknown:
        sys.exit(f"no benchmark {unknown}; there are {[name.removeprefix('bench_') for name in found]}")
    for name in found:
        if not names or name.removeprefix("bench_") in names:
            module = importlib.import_module(f"benchmarks.{name}")
            print(f"\n{name}: {(module.__doc__ or '').splitlines()[0]}", flush=True)
            module.main()


if __name__ == "__main__":
    main(sys.argv[1:])
