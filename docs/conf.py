"""How Sphinx makes the book of what build.py has gathered."""

import re
import tomllib
from pathlib import Path

import cifar_utils

PROJECT = tomllib.loads(
    (Path(cifar_utils.__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
)["project"]

project = "CIFAR-10 in Keras"
author = "The authors of the CIFAR-10 Keras notebooks"
copyright = f"2026, {author}"
version = release = cifar_utils.__version__
language = "en"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
nb_execution_mode = "off"  # outputs are those that the repository holds
nb_merge_streams = True
myst_enable_extensions = ["amsmath", "dollarmath"]
myst_heading_anchors = 3
suppress_warnings = [
    "myst.header",  # a README may begin its sections where it likes
    "mystnb.unknown_mime_type",  # Keras' tables for terminals, beside their text
    "ref.python",  # a word in quotes that names several things is only a word
]

nitpicky = True
nitpick_ignore_regex = [("py:class", ".*")]  # types are told in words: "shape (n,)"
toc_object_entries_show_parents = "hide"

autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False  # those of Keras are not ours
autodoc_typehints = "none"  # the docstrings say what types
autodoc_preserve_defaults = True  # as they stand in the code
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False

html_theme = "sphinx_book_theme"
html_title = "CIFAR-10 in Keras"
html_theme_options = {
    "repository_url": PROJECT["urls"]["Repository"],
    "repository_branch": "main",
    "path_to_docs": "",  # pages lie in the book as in the repository
    "use_repository_button": True,
    "use_download_button": False,
    "launch_buttons": {"colab_url": "https://colab.research.google.com"},
    "navbar_persistent": [],  # one search field is enough
    "show_toc_level": 2,
}
html_static_path = ["static"]
html_css_files = ["narrow.css"]
html_show_sourcelink = False
html_copy_source = False


def skip_aliases(app, what, name, member, skip, options):
    """Leave out the fields of a named tuple: Python says only their numbers."""
    doc = getattr(member, "__doc__", None) or ""
    return True if doc.startswith("Alias for field number") else None


def keep_initials(app, what, name, member, options, lines):
    """Let a reference begin with an author's initial, which is no item of a list."""
    lines[:] = [re.sub(r"^(\s*)([A-Z])\. ", r"\1\\\2. ", line) for line in lines]


def setup(app):
    app.connect("autodoc-skip-member", skip_aliases)
    app.connect("autodoc-process-docstring", keep_initials)
