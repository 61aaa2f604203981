"""HTTP requests, which travel as a `RequestSnapshot`."""

from __future__ import annotations

import logging
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest

from deferred_signals import conf
from deferred_signals.serialization.objects import unwrapped
from deferred_signals.serialization.pending import Pending, completed
from deferred_signals.serialization.pending import references as find_references
from deferred_signals.serialization.request_snapshot import (
    RequestSnapshot,
    header_name,
    meta_key,
)
from deferred_signals.support.records import about

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deferred_signals.serialization.codec import Codec
    from deferred_signals.serialization.encoder import Encoder
    from deferred_signals.serialization.pending import Reference, Rows

__all__ = ["install"]

logger = logging.getLogger("deferred_signals")


def install(codec: Codec) -> None:
    """Teach a codec this family."""
    codec.add_encoder(HttpRequest, _encode_request, subclasses=True)
    codec.add_encoder(RequestSnapshot, _encode_snapshot)
    codec.add_decoder("$request", _decode_request)


def _encode_request(request: HttpRequest, encoder: Encoder) -> Any:
    return _encode_snapshot(_snapshot_of(request), encoder)


def _encode_snapshot(snapshot: RequestSnapshot, encoder: Encoder) -> Any:
    values = {item.name: getattr(snapshot, item.name) for item in fields(snapshot)}
    values["session"] = dict(values["session"])
    told = {name: value for name, value in values.items() if value not in (None, {})}
    return {"$request": encoder.encode_any(told)}


def _snapshot_of(request: HttpRequest) -> RequestSnapshot:
    try:
        host = request.get_host()
    except (DisallowedHost, KeyError):
        host = None  # KeyError: a bare HttpRequest, with which the test client logs in
    match = request.resolver_match
    return RequestSnapshot(
        method=request.method,
        path=request.path,
        path_info=request.path_info,
        scheme=request.scheme,
        host=host,
        remote_addr=request.META.get("REMOTE_ADDR"),
        user_agent=request.META.get("HTTP_USER_AGENT"),
        view_name=match.view_name if match else None,
        user=_user_of(request),
        session=_session_of(request),
        more_headers=_headers_of(request),
    )


def _headers_of(request: HttpRequest) -> dict[str, str]:
    """Read the headers that the settings name, where the request has them."""
    found = {
        header_name(name): request.META.get(meta_key(name))
        for name in conf.current().REQUEST_HEADERS
    }
    return {name: value for name, value in found.items() if isinstance(value, str)}


def _session_of(request: HttpRequest) -> dict[str, Any]:
    """Read the session keys that the settings name; none where the session cannot be loaded."""
    keys = conf.current().REQUEST_SESSION_KEYS
    session = getattr(request, "session", {})
    try:
        return {key: session[key] for key in keys if key in session}
    except Exception:
        logger.warning(
            "The session of a request could not be loaded: the message is sent without it",
            exc_info=True,
            extra=about("left_out"),
        )
        return {}


def _user_of(request: HttpRequest) -> Any:
    """Read the user; None where none can be loaded.

    The database may be what made the request fail.
    """
    try:
        return unwrapped(getattr(request, "user", None))
    except Exception:
        logger.warning(
            "The user of a request could not be loaded: the message is sent without it",
            exc_info=True,
            extra=about("left_out"),
        )
        return None


#: What each part of a request may be.
_KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("path", "path_info"), (str,)),
    **dict.fromkeys(
        ("method", "scheme", "host", "remote_addr", "user_agent", "view_name"), (str, type(None))
    ),
    **dict.fromkeys(("session", "more_headers"), (dict,)),
    "user": (object,),
}


def _decode_request(values: Any) -> _PendingRequest:
    """Check the parts of a request. Parts that a newer version may have added are left out."""
    if type(values) is not dict:
        raise TypeError("a request is written as a dict")
    known = {name: value for name, value in values.items() if name in _KINDS}
    if not all(isinstance(value, _KINDS[name]) for name, value in known.items()):
        raise TypeError("a part of a request is of the wrong type")
    return _PendingRequest(known)


class _PendingRequest(Pending):
    """A decoded request, whose user may have to be fetched."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values

    def references(self) -> Iterator[Reference]:
        return find_references(self.values)

    def complete(self, rows: Rows) -> RequestSnapshot:
        return RequestSnapshot(**completed(self.values, rows))
