"""Layer groups from representation similarity: the experiments of the paper, redone."""
