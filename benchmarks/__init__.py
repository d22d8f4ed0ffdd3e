"""Timings of nngraph beside the plain numpy and torch that a researcher would write; run ``python -m benchmarks``."""
