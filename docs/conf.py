"""The site: Sphinx with furo and MyST. `make docs` builds it into build/site."""

import sys
from pathlib import Path

import django
from django.conf import settings

from deferred_signals import __version__

HERE = Path(__file__).parent
sys.path.append(str(HERE / "_site"))

# Docstrings are read from modules, and some of those need Django's apps.
settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[
        "django.contrib.contenttypes",
        "django.contrib.auth",
        "deferred_signals",
        "deferred_signals.outbox",
    ],
    USE_TZ=True,
)
django.setup()

project = "deferred_signals"
author = "The deferred_signals developers"
release = __version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "contents",
    "diagrams",
    "docstrings",
    "foreign",
]
exclude_patterns = ["_site", "shop"]

# A reference that leads nowhere is an error: `make docs` turns warnings into errors.
nitpicky = True
default_role = "py:obj"
# What is not ours, and what needs no place in the reference.
nitpick_ignore = {
    ("py:class", "Leaks"),
    ("py:class", "collections.abc.Mapping"),
    ("py:class", "datetime"),
    ("py:class", "datetime.datetime"),
    ("py:exc", "DisallowedHost"),
    ("py:exc", "ObjectDoesNotExist"),
    ("py:exc", "SynchronousOnlyOperation"),
    ("py:exc", "django.db.Error"),
    ("py:obj", "contextvars"),
    ("py:obj", "deferred_signals.serialization"),
    ("py:obj", "django.dispatch.receiver"),
    ("py:obj", "override_settings"),
    ("py:obj", "unittest.IsolatedAsyncioTestCase"),
    ("py:obj", "unittest.mock.ANY"),
}
myst_heading_anchors = 3
myst_fence_as_directive = ["mermaid"]

autodoc_member_order = "bysource"
autodoc_typehints = "none"
maximum_signature_line_length = 80
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Options", "params_style")]
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = f"deferred_signals {release}"
html_static_path = ["_site/static", "_site/node_modules/@mermaid-js/tiny/dist"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
pygments_style = "default"
pygments_dark_style = "github-dark"
