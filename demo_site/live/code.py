"""The shop's code, as the page shows it beside the shop: read from the modules that run."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.utils.safestring import SafeString, mark_safe
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from deferred_signals.receivers import registry
from demo_site.shop import views

#: Receivers of an order that is placed: the page shows them first.
FIRST = ("send_receipt", "update_search_index")


@dataclass(frozen=True)
class Code:
    """One function, with its source."""

    name: str
    label: str
    html: SafeString


@cache
def sender() -> Code:
    """Return the function that sends the signals."""
    return Code(views.buy.__name__, "sends its signals as usual", _highlighted(views.buy))


@cache
def receivers() -> list[Code]:
    """Return all deferred receivers of the shop, those of a new order first."""
    found = [
        Code(
            one.name.rpartition(".")[2],
            "durable delivery" if one.options.durable else "commit delivery",
            _highlighted(one.function),
        )
        for one in registry.all_receivers()
    ]
    rank = {name: place for place, name in enumerate(FIRST)}
    return sorted(found, key=lambda code: rank.get(code.name, len(rank)))


def _highlighted(function: Callable[..., Any]) -> SafeString:
    source = inspect.getsource(function)
    html = highlight(source, PythonLexer(), HtmlFormatter(nowrap=True))
    return mark_safe(html)  # noqa: S308  # Pygments has escaped it, and it is our own source
