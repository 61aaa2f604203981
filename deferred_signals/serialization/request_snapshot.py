"""`RequestSnapshot`: what a message keeps of an HTTP request, and nothing that must stay secret."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urljoin

from django.core.exceptions import DisallowedHost

from deferred_signals import conf
from deferred_signals.serialization.captured import Captured, CapturedHeaders, NotCaptured
from deferred_signals.support.frozen import Frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["RequestSnapshot", "header_name", "meta_key"]

#: Headers whose key in ``META`` has no prefix.
WITHOUT_PREFIX = frozenset({"CONTENT_LENGTH", "CONTENT_TYPE"})


class RequestSnapshot(Frozen):
    """What a receiver gets in place of an ``HttpRequest``. It is read-only.

    Cookies, body, session and credentials do not travel, except the session keys that the setting
    ``REQUEST_SESSION_KEYS`` names and the headers that ``REQUEST_HEADERS`` names. Asking for anything
    else raises an error that names the remedy, also by ``[]``, ``.get()`` or ``in``.

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
        """Make the session refuse to answer for keys that did not travel."""
        keys = conf.current().REQUEST_SESSION_KEYS
        session = Captured("request.session", dict(self.session), keys, "REQUEST_SESSION_KEYS")
        object.__setattr__(self, "session", session)
        object.__setattr__(self, "more_headers", dict(self.more_headers))

    @property
    def META(self) -> Mapping[str, Any]:  # noqa: N802 - Django's name for it
        """Give ``HttpRequest.META``, as far as it was captured."""
        values = {
            "HTTP_HOST": self.host,
            "HTTP_USER_AGENT": self.user_agent,
            "PATH_INFO": self.path_info,
            "REMOTE_ADDR": self.remote_addr,
            "REQUEST_METHOD": self.method,
        }
        values |= {meta_key(name): value for name, value in self.more_headers.items()}
        looked_at = frozenset(map(meta_key, conf.current().REQUEST_HEADERS))
        return Captured("request.META", values, looked_at, "REQUEST_HEADERS")

    @property
    def headers(self) -> Mapping[str, Any]:
        """Give ``HttpRequest.headers``, as far as they were captured."""
        values = {"Host": self.host, "User-Agent": self.user_agent, **self.more_headers}
        looked_at = frozenset(map(header_name, conf.current().REQUEST_HEADERS))
        return CapturedHeaders("request.headers", values, looked_at, "REQUEST_HEADERS")

    def get_host(self) -> str:
        """Return the host, as the request does.

        Raises:
            DisallowedHost: it was not an allowed one at send.
        """
        if self.host is None:
            raise DisallowedHost("The request had no allowed host when it was captured.")
        return self.host

    def is_secure(self) -> bool:
        """Return whether the request came by HTTPS."""
        return self.scheme == "https"

    def build_absolute_uri(self, location: str | None = None) -> str:
        """Return the absolute URL of a location, or of the request's path. Its query did not travel."""
        base = f"{self.scheme}://{self.get_host()}{self.path}"
        return urljoin(base, location) if location is not None else base

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):  # Python itself asks, of a copy that is being made
            raise AttributeError(name)
        raise NotCaptured(
            f"request.{name} did not travel: read what you need of it at send with capture=."
        )

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(
            f"request.{name} cannot be set: the request is what was captured at the send, and what is "
            f"written to it would be lost. Set it before the send, in the sender's process."
        )


def header_name(name: str) -> str:
    """Write the name of a header as Django does, whichever way a setting has it."""
    return name.upper().replace("_", "-").removeprefix("HTTP-").title()


def meta_key(name: str) -> str:
    """Return the key of a header in ``META``."""
    key = name.upper().replace("-", "_").removeprefix("HTTP_")
    return key if key in WITHOUT_PREFIX else f"HTTP_{key}"
