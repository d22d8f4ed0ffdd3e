"""What the examples of docstrings share with each other: nothing that stays open."""

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _close_figures_of_examples(request: pytest.FixtureRequest) -> Iterator[None]:
    """Close what an example of a docstring drew: pyplot warns of many open figures, and warnings are errors."""
    yield
    if isinstance(request.node, pytest.DoctestItem) and "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
