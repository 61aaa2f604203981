"""`RequestSnapshot`: what a message keeps of an HTTP request, and nothing that must stay secret."""

from __future__ import annotations

import logging
from dataclasses import field, fields
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urljoin

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest

from deferred_signals import conf
from deferred_signals.serialization.captured import Captured, CapturedHeaders, NotCaptured
from deferred_signals.serialization.objects import unwrapped
from deferred_signals.serialization.pending import Pending, replace
from deferred_signals.serialization.pending import references as find_references
from deferred_signals.support.frozen import Frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from deferred_signals.serialization.codec import Codec
    from deferred_signals.serialization.pending import Reference, Rows

__all__ = ["RequestSnapshot", "install", "snapshot_of"]

logger = logging.getLogger("deferred_signals")

#: Headers whose key in ``META`` is without the usual prefix.
WITHOUT_PREFIX = frozenset({"CONTENT_LENGTH", "CONTENT_TYPE"})


class RequestSnapshot(Frozen):
    """What a receiver gets in place of an ``HttpRequest``.

    No cookies, body, session or credentials travel, but the session's keys that the setting
    ``REQUEST_SESSION_KEYS`` names, and the headers that ``REQUEST_HEADERS`` names. Asking for anything
    else raises an error that says so, by ``[]``, ``.get()`` or ``in`` as well. It is read-only.

    Attributes:
        method: ``"GET"`` and the like.
        path: the full path, without the query string.
        path_info: the path without the script's prefix.
        scheme: ``"http"`` or ``"https"``.
        host: as ``get_host()`` gave it, or None where Django disallowed it.
        remote_addr: the client's address, or None.
        user_agent: the client's name for itself, or None.
        view_name: of the URL pattern that matched, or None.
        user: who sent the request; None where no authentication was set up.
        session: the keys of the session that the settings name.
        more_headers: the headers that the settings name, by their names.

    >>> request = RequestSnapshot(method="GET", path="/orders/7/", scheme="https", host="shop.example")
    >>> request.build_absolute_uri("/pay/")
    'https://shop.example/pay/'
    >>> request.COOKIES
    Traceback (most recent call last):
        ...
    deferred_signals.serialization.captured.NotCaptured: request.COOKIES did not travel: read what you need of it at send with capture=.
    """

    method: str | None = None
    path: str = ""
    path_info: str = ""
    scheme: str | None = None
    host: str | None = None
    remote_addr: str | None = None
    user_agent: str | None = None
    view_name: str | None = None
    user: Any = None
    session: Mapping[str, Any] = field(default_factory=dict, hash=False)
    more_headers: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        """Let the session refuse to answer for what did not travel."""
        keys = conf.current().REQUEST_SESSION_KEYS
        session = Captured("request.session", dict(self.session), keys, "REQUEST_SESSION_KEYS")
        object.__setattr__(self, "session", session)
        object.__setattr__(self, "more_headers", dict(self.more_headers))

    @property
    def META(self) -> Mapping[str, Any]:  # noqa: N802 - Django's name for it
        """``HttpRequest.META``, for what was captured."""
        values = {
            "HTTP_HOST": self.host,
            "HTTP_USER_AGENT": self.user_agent,
            "PATH_INFO": self.path_info,
            "REMOTE_ADDR": self.remote_addr,
            "REQUEST_METHOD": self.method,
        }
        values |= {_meta_key(name): value for name, value in self.more_headers.items()}
        looked_at = frozenset(map(_meta_key, conf.current().REQUEST_HEADERS))
        return Captured("request.META", values, looked_at, "REQUEST_HEADERS")

    @property
    def headers(self) -> Mapping[str, Any]:
        """``HttpRequest.headers``, for what was captured."""
        values = {"Host": self.host, "User-Agent": self.user_agent, **self.more_headers}
        looked_at = frozenset(map(_header_name, conf.current().REQUEST_HEADERS))
        return CapturedHeaders("request.headers", values, looked_at, "REQUEST_HEADERS")

    def get_host(self) -> str:
        """The host, as on the request.

        Raises:
            DisallowedHost: it was not an allowed one at send.
        """
        if self.host is None:
            raise DisallowedHost("The request had no allowed host when it was captured.")
        return self.host

    def is_secure(self) -> bool:
        """Whether the request came by HTTPS."""
        return self.scheme == "https"

    def build_absolute_uri(self, location: str | None = None) -> str:
        """The absolute URL of a location, or of the request's path; the query did not travel."""
        base = f"{self.scheme}://{self.get_host()}{self.path}"
        return urljoin(base, location) if location is not None else base

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):  # asked for by Python itself, of a copy that is being made
            raise AttributeError(name)
        raise NotCaptured(
            f"request.{name} did not travel: read what you need of it at send with capture=."
        )

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(
            f"request.{name} cannot be set: the request is what was captured at the send, and what is "
            f"written to it would be lost."
        )


def install(codec: Codec) -> None:
    """Teach a codec this family."""
    codec.add_encoder(HttpRequest, _encode_request, subclasses=True)
    codec.add_encoder(RequestSnapshot, _encode_snapshot)
    codec.add_decoder("$request", _pending)


def snapshot_of(request: HttpRequest) -> RequestSnapshot:
    """What is kept of a request."""
    try:
        host = request.get_host()
    except (
        DisallowedHost,
        KeyError,
    ):  # KeyError: a bare HttpRequest, as the test client logs in with
        host = None
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
    """The headers that the settings name, where the request has them."""
    found = {
        _header_name(name): request.META.get(_meta_key(name))
        for name in conf.current().REQUEST_HEADERS
    }
    return {name: value for name, value in found.items() if isinstance(value, str)}


def _header_name(name: str) -> str:
    """The name of a header, as Django writes it, of any form in which a setting has it."""
    return name.upper().replace("_", "-").removeprefix("HTTP-").title()


def _meta_key(name: str) -> str:
    key = name.upper().replace("-", "_").removeprefix("HTTP_")
    return key if key in WITHOUT_PREFIX else f"HTTP_{key}"


def _session_of(request: HttpRequest) -> dict[str, Any]:
    """The keys that the settings name; none where the session cannot be loaded."""
    keys = conf.current().REQUEST_SESSION_KEYS
    session = getattr(request, "session", {})
    try:
        return {key: session[key] for key in keys if key in session}
    except Exception:
        logger.warning(
            "The session of a request could not be loaded, so that the message goes without it",
            exc_info=True,
        )
        return {}


def _user_of(request: HttpRequest) -> Any:
    """The user, where one can be loaded: a request may have failed since the database is away."""
    try:
        return unwrapped(getattr(request, "user", None))
    except Exception:
        logger.warning(
            "The user of a request could not be loaded, so that the message goes without it",
            exc_info=True,
        )
        return None


def _encode_request(request: HttpRequest, codec: Codec) -> Any:
    return _encode_snapshot(snapshot_of(request), codec)


def _encode_snapshot(snapshot: RequestSnapshot, codec: Codec) -> Any:
    values = {item.name: getattr(snapshot, item.name) for item in fields(snapshot)}
    values["session"] = dict(values["session"])
    return {"$request": codec.encode_any({k: v for k, v in values.items() if v not in (None, {})})}


#: What each part of a request may be.
_KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("path", "path_info"), (str,)),
    **dict.fromkeys(
        ("method", "scheme", "host", "remote_addr", "user_agent", "view_name"), (str, type(None))
    ),
    **dict.fromkeys(("session", "more_headers"), (dict,)),
    "user": (object,),
}


def _pending(values: Any) -> _PendingRequest:
    """Check the parts of a request; such as a newer process may have sent beside are left out."""
    if type(values) is not dict:
        raise TypeError("a request is written as a dict")
    known = {name: value for name, value in values.items() if name in _KINDS}
    if not all(isinstance(value, _KINDS[name]) for name, value in known.items()):
        raise TypeError("a part of a request is of the wrong type")
    return _PendingRequest(known)


class _PendingRequest(Pending):
    """A decoded request, whose user is a row to be fetched."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values

    def references(self) -> Iterator[Reference]:
        return find_references(self.values)

    def complete(self, rows: Rows) -> RequestSnapshot:
        return RequestSnapshot(**replace(self.values, rows))
