"""Settings of Sphinx. Build with `make docs`; a warning is an error."""

from importlib.util import find_spec
from pathlib import Path

import jupytext

import speechinterp

project = "speechinterp"
author = "The speechinterp developers"
copyright = author
version = release = speechinterp.__version__

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "matplotlib.sphinxext.plot_directive",
]
if find_spec("sphinx-mathjax-offline"):  # without it, formulas need a network
    extensions.append("sphinx-mathjax-offline")
exclude_patterns = ["_build", "conf.py", "figures", "practical/notebooks"]  # scripts that are no pages

myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3

# The chapters of the practical are scripts; the build runs them and offers them as notebooks.
nb_custom_formats = {".py": ["jupytext.reads", {"fmt": "py:percent"}]}
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_execution_in_temp = True
nb_merge_streams = True

autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_typehints = "signature"
numpydoc_show_class_members = False

plot_formats = ["svg"]
plot_html_show_formats = False
plot_html_show_source_link = False

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_title = f"speechinterp {version}"


def offer_notebook(app, name, source):
    """Write a chapter as a notebook, and end it with a link to that."""
    if name.startswith("practical/") and Path(app.env.doc2path(name)).suffix == ".py":
        title = Path(name).name
        folder = Path(app.srcdir) / "practical" / "notebooks"
        folder.mkdir(exist_ok=True)
        jupytext.write(jupytext.reads(source[0], "py:percent"), folder / f"{title}.ipynb")
        notebook = f"{{download}}`this chapter as a notebook <notebooks/{title}.ipynb>`"
        script = f"{{download}}`as a script <{title}.py>`"
        source[0] += f"\n# %% [markdown]\n# ---\n# To work with: {notebook}, {script}\n"


def setup(app):
    """Connect the above."""
    app.connect("source-read", offer_notebook)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
