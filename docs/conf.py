"""Sphinx configuration: Markdown pages, notebooks with their outputs, the API from docstrings."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT))

from sphinx.ext.napoleon import NumpyDocstring  # noqa: E402

import sctabnet  # noqa: E402

# The tutorials are the notebooks that the tests run. Sphinx reads below its own folder only.
for notebook in sorted((ROOT / "workflows" / "notebooks").glob("*.ipynb")):
    shutil.copyfile(notebook, HERE / "tutorials" / notebook.name)

project = "sctabnet"
author = "sctabnet developers"
copyright = author
version = release = sctabnet.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
]
exclude_patterns = ["_build"]
# A tutorial is stored without outputs in git and shown with those that this code gives.
nb_execution_mode = "force"
nb_execution_timeout = 300
nb_execution_raise_on_error = True
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_typehints = "none"  # numpydoc sections say it in words, with shapes
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
strip_signature_backslash = True  # keeps the underscore of `classes_`
napoleon_preprocess_types = False

templates_path = ["_templates"]
html_theme = "pydata_sphinx_theme"
html_title = f"sctabnet {release}"
html_show_sourcelink = False
html_theme_options = {
    "show_prev_next": False,
    "navigation_with_keys": False,
    "navbar_align": "left",
    "secondary_sidebar_items": ["page-toc"],
    "show_toc_level": 2,
    "header_links_before_dropdown": 8,
    "navbar_persistent": [],
    "navbar_end": ["search-button", "theme-switcher"],
}
# pages without pages below them have nothing to show at the left
html_sidebars = {page: [] for page in ("index", "numbers", "slots", "coming_from", "limits")}

# What stands below a field of a dataclass is a sentence: what is before its colon is no type.
NumpyDocstring._consume_inline_attribute = lambda self: ("", self._consume_to_end())
