"""Sparse training on the graph: sparse evolutionary training, lottery tickets, and layers that hold edges alone."""

__all__: list[str] = []
