"""What Sphinx is told. `build.py` starts it, when it has written the pages.

Sphinx with furo and MyST, because they are alive and the site needs nobody else: its search is a
file of the site, it works without a server too, its fonts are the reader's, and a link that leads
nowhere is a warning. MkDocs has had no release since 2024, Material for MkDocs takes only repairs,
and its successor Zensical has no 1.0 yet.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anylane
from docs.website.api import LINKS, options, parameters
from docs.website.docstrings import restructured
from docs.website.sidebar import Sidebar

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "anylane"
author = "The anylane authors"
copyright = author  # noqa: A001  # Sphinx's name
release = version = anylane.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns: list[str] = []
root_doc = "index"
smartquotes = False  # a quote may be Python's

# GitHub's anchors, so that a link works there and here.
myst_heading_anchors = 6
myst_links_external_new_tab = False

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 72
add_module_names = False
toc_object_entries_show_parents = "hide"

html_theme = "furo"
pygments_dark_style = "github-dark"  # the theme's own underlines names as if they were links
html_title = f"anylane {version}"
html_static_path = ["static"]
html_css_files = ["extra.css"]
html_js_files = [("extra.js", {"defer": "defer"})]
html_copy_source = False
html_show_sphinx = False
html_use_index = False
html_domain_indices = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1d4ed8", "color-brand-content": "#1d4ed8"},
    "dark_css_variables": {"color-brand-primary": "#93b4ff", "color-brand-content": "#93b4ff"},
    "top_of_page_buttons": [],
}


SIGNATURE = re.compile(r'<dt class="sig .*?</dt>', re.DOTALL)


def _process(*arguments: Any) -> None:
    _app, _what, name, found, _options, lines = arguments
    own = {*name.split(".")}  # a page that links to itself leads nowhere
    links = {key: target for key, target in LINKS.items() if key not in own}
    lines[:] = restructured([*lines, *options(name, found)], links, parameters(found))


def _sign(*arguments: Any) -> tuple[str | None, str | None]:
    *_, signature, returned = arguments
    # A default that a dataclass makes anew is no expression, and would be shown unparsed.
    return (signature and signature.replace("<factory>", "...")), returned


def _accessible(found: re.Match[str]) -> str:
    """Return a signature without the list in it, which is no list: it has no terms (WCAG 1.3.1)."""
    text = found[0].replace("<dl>", "<span>").replace("</dl>", "</span>")
    return text.replace("<dd>", '<span class="sig-line">').replace("</dd>", "</span>")


def _navigate(app: Sphinx) -> None:
    sidebar = Sidebar(Path(app.srcdir))

    def put(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
        context["body"] = SIGNATURE.sub(_accessible, context.get("body", ""))
        context["toctree"] = lambda **_: sidebar.html(page, context["pathto"])

    app.connect("html-page-context", put, priority=400)  # the theme asks for it at 500


def setup(app: Sphinx) -> None:
    """Let docstrings be read as the plain text that they are, and the navigation be ours."""
    app.connect("autodoc-process-docstring", _process)
    app.connect("autodoc-process-signature", _sign)
    app.connect("builder-inited", _navigate)
