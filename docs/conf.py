"""How the documentation site is built: `make docs`, without network, into docs/_build/html."""

import importlib
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_extensions")]

project = "nngraph"
author = copyright = "The nngraph developers"
version = release = importlib.import_module("nngraph").__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_nb",
    "mathml",
    "generated",
]
root_doc = "index"
exclude_patterns = ["_build", "_extensions"]
suppress_warnings = ["myst.header"]  # a generated page may have a level of titles less

# Public names are documented where they are exported, types by numpydoc's sections.
autodoc_typehints = "none"
autodoc_preserve_defaults = True
autosummary_generate = False
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
nitpicky = True

# Notebooks are shown with the outputs they keep; the integration tests run them anew.
nb_execution_mode = "off"
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = "nngraph"
html_copy_source = False
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
pygments_style = "friendly"
