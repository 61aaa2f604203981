"""`RequestSnapshot`: what a message keeps of an HTTP request, and nothing that must stay secret."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import field, fields
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urljoin

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest

from deferred_signals import conf
from deferred_signals.frozen import Frozen
from deferred_signals.serialization.objects import unwrapped
from deferred_signals.serialization.pending import Pending, replace
from deferred_signals.serialization.pending import references as find_references

if TYPE_CHECKING:
    from deferred_signals.serialization.codec import Codec
    from deferred_signals.serialization.pending import Reference, Rows

__all__ = ["RequestSnapshot", "install", "snapshot_of"]

logger = logging.getLogger("deferred_signals")


class Captured(Mapping[str, Any]):
    """A mapping that knows which keys were looked at, and refuses to answer for any other."""

    def __init__(self, what: str, values: Mapping[str, Any]) -> None:
        self._what = what
        self._values = {key: value for key, value in values.items() if value is not None}
        self._looked_at = frozenset(values)

    def __getitem__(self, key: str) -> Any:
        return self._values[self._known(key)]

    def __contains__(self, key: object) -> bool:
        return self._known(key) in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def _known(self, key: Any) -> Any:
        if key not in self._looked_at:
            raise KeyError(
                f"{self._what}[{key!r}] was not captured with the request. Captured are "
                f"{', '.join(sorted(self._looked_at))}; read others at send with capture=."
            )
        return key


class CapturedHeaders(Captured):
    """Headers, by names in any case, as Django has them."""

    def _known(self, key: Any) -> Any:
        return super()._known(key.title() if isinstance(key, str) else key)


class RequestSnapshot(Frozen):
    """What a receiver gets in place of an ``HttpRequest``.

    No cookies, body, session or credentials travel; of the session only what the setting
    ``REQUEST_SESSION_KEYS`` names. Asking for anything else of a request raises an
    ``AttributeError`` (a ``KeyError`` from the mappings) that says so.

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

    >>> request = RequestSnapshot(method="GET", path="/orders/7/", scheme="https", host="shop.example")
    >>> request.build_absolute_uri("/pay/")
    'https://shop.example/pay/'
    >>> request.COOKIES
    Traceback (most recent call last):
        ...
    AttributeError: 'COOKIES' was not captured with the request: read what you need of it at send with capture=.
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

    @property
    def META(self) -> Mapping[str, Any]:  # noqa: N802 - Django's name for it
        """``HttpRequest.META``, for what was captured."""
        return Captured(
            "META",
            {
                "HTTP_HOST": self.host,
                "HTTP_USER_AGENT": self.user_agent,
                "PATH_INFO": self.path_info,
                "REMOTE_ADDR": self.remote_addr,
                "REQUEST_METHOD": self.method,
            },
        )

    @property
    def headers(self) -> Mapping[str, Any]:
        """``HttpRequest.headers``, for what was captured."""
        return CapturedHeaders("headers", {"Host": self.host, "User-Agent": self.user_agent})

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
        raise AttributeError(
            f"{name!r} was not captured with the request: read what you need of it at send "
            f"with capture=."
        )


def install(codec: Codec) -> None:
    """Teach a codec this family."""
    codec.add_encoder(HttpRequest, _encode_request, subclasses=True)
    codec.add_encoder(RequestSnapshot, _encode_snapshot)
    codec.add_decoder("$request", _PendingRequest)


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
    session = getattr(request, "session", {})
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
        session={
            key: session[key] for key in conf.current().REQUEST_SESSION_KEYS if key in session
        },
    )


def _user_of(request: HttpRequest) -> Any:
    """The user, where one can be loaded: a request may have failed since the database is away."""
    try:
        return unwrapped(getattr(request, "user", None))
    except Exception:
        logger.warning("The user of a request could not be loaded: it goes without", exc_info=True)
        return None


def _encode_request(request: HttpRequest, codec: Codec) -> Any:
    return _encode_snapshot(snapshot_of(request), codec)


def _encode_snapshot(snapshot: RequestSnapshot, codec: Codec) -> Any:
    values = {item.name: getattr(snapshot, item.name) for item in fields(snapshot)}
    values["session"] = dict(values["session"])
    return {"$request": codec.encode_any({k: v for k, v in values.items() if v not in (None, {})})}


class _PendingRequest(Pending):
    """A decoded request, whose user is a row to be fetched."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values

    def references(self) -> Iterator[Reference]:
        return find_references(self.values)

    def complete(self, rows: Rows) -> RequestSnapshot:
        return RequestSnapshot(**replace(self.values, rows))
