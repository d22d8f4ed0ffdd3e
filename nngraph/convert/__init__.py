"""Conversions between NeuralGraph and torch models, igraph, networkx, matrices and weight files."""
