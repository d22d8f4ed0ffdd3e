"""The claims on probes and randomisations, as experiments of the ledger."""

from nngraph.reproduce.probes.transformer import EXPERIMENTS

__all__ = ["EXPERIMENTS"]
