"""Lottery tickets as networks (Kang et al. 2025): whether graph measures change before a pruned network fails."""
