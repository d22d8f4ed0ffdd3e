"""Sparse evolutionary training (Mocanu et al. 2018): the experiments of the paper, redone at a small scale."""
