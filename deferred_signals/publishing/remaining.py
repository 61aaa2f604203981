"""What is left of how a message was to be published, when it is given to a store instead.

Celery, and whoever patched it, has written headers into the recorded message. `countdown` and `expires`
have been counting since then.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from deferred_signals.publishing.celery_headers import custom_headers, inherited_headers
from deferred_signals.publishing.patterns import Copy
from deferred_signals.publishing.waits import due_in, moment_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deferred_signals.message.outgoing import Outgoing
    from deferred_signals.publishing.patterns import Publication

__all__ = ["remaining"]


def remaining(outgoing: Outgoing, publication: Publication | Copy | None) -> Outgoing:
    """Return a message with what is left of its options.

    Arguments:
        outgoing: the message.
        publication: the message of Celery's that would have brought it; None: nothing was recorded.
    """
    if publication is None:
        return outgoing
    if isinstance(publication, Copy):
        publication = publication.pattern.publication_of(publication)
    headers = publication.arguments.get("headers") or {}
    given = {**publication.body, **headers} if isinstance(publication.body, dict) else headers
    left = {
        **outgoing.options,
        "headers": _headers(given),
        "priority": publication.arguments.get("priority"),
        "countdown": _seconds_until(due_in(given) or moment_of(given.get("eta"))),
        "expires": _seconds_until(moment_of(given.get("expires"))),
    }
    options = {name: value for name, value in left.items() if value is not None and value != {}}
    return outgoing._replace(options=options)


def _headers(given: Mapping[str, Any]) -> dict[str, Any]:
    found = custom_headers(given) | inherited_headers(given)
    if given.get("headers"):  # where some tracers put theirs
        found["headers"] = given["headers"]
    return found


def _seconds_until(moment: float | None) -> float | None:
    return None if moment is None else max(0.0, moment - time.time())
