"""Task complexity shapes internal representations and robustness (Jankowski et al., 2025): its claims, one by one."""
