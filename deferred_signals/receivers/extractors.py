"""Take, at send, what can travel from the kwargs of built-in signals."""

from __future__ import annotations

import sys
from typing import Any

from django.db.models import Model, QuerySet

from deferred_signals.serialization import RowsNotSent, Snapshot

__all__ = [
    "CLEANSED",
    "deleted",
    "django_task",
    "login_failed",
    "migrated",
    "request_begun",
    "request_failed",
]

Kwargs = dict[str, Any]

#: Django's `contrib.auth` cleanses by the same words, but only the credentials that it knows of.
_SECRETS = ("api", "token", "key", "secret", "password", "signature")
CLEANSED = "********************"

#: What is taken of the environments of WSGI and ASGI, which also hold sockets, bodies and cookies.
_ENVIRON = (
    "HTTP_HOST",
    "HTTP_USER_AGENT",
    "PATH_INFO",
    "REMOTE_ADDR",
    "REQUEST_METHOD",
    "wsgi.url_scheme",
)
_SCOPE = ("type", "method", "path", "scheme", "client", "server")


def deleted(kwargs: Kwargs) -> Kwargs:
    """Take the row as it was, of ``pre_delete`` and ``post_delete``: at the run the row is gone."""
    found = dict(kwargs)
    if isinstance(kwargs.get("instance"), Model):
        found["instance"] = Snapshot(kwargs["instance"], "deleted")
    origin = kwargs.get("origin")
    if isinstance(origin, Model):
        found["origin"] = Snapshot(origin, "deleted")
    elif isinstance(origin, QuerySet):
        found["origin"] = RowsNotSent(origin.model)
    return found


def migrated(kwargs: Kwargs) -> Kwargs:
    """Take the plan by names, of ``post_migrate``; no stream and no historical models."""
    found = {name: value for name, value in kwargs.items() if name not in {"stdout", "apps"}}
    if "plan" in found:
        found["plan"] = [(item.app_label, item.name, back) for item, back in found["plan"]]
    return found


def request_begun(kwargs: Kwargs) -> Kwargs:
    """Take a few plain values of the environment, of ``request_started``."""
    found = dict(kwargs)
    for name, keys in (("environ", _ENVIRON), ("scope", _SCOPE)):
        if isinstance(kwargs.get(name), dict):
            found[name] = {key: kwargs[name][key] for key in keys if key in kwargs[name]}
    return found


def request_failed(kwargs: Kwargs) -> Kwargs:
    """Add the exception, of ``got_request_exception``; Django leaves it in ``sys.exc_info()``."""
    return {**kwargs, "exception": sys.exc_info()[1]}


def login_failed(kwargs: Kwargs) -> Kwargs:
    """Cleanse the credentials once more, of ``user_login_failed``: back ends add to them."""
    credentials = kwargs.get("credentials")
    if not isinstance(credentials, dict):
        return kwargs
    return {
        **kwargs,
        "credentials": {str(key): _cleansed(str(key), value) for key, value in credentials.items()},
    }


def _cleansed(key: str, value: object) -> object:
    if any(word in key.casefold() for word in _SECRETS):
        return CLEANSED
    plain = value is None or type(value) in {str, int, float, bool}
    return value if plain else f"<{type(value).__name__}>"


def django_task(kwargs: Kwargs) -> Kwargs:
    """Take which task it is and its status, of the signals of ``django.tasks``."""
    result = kwargs.get("task_result")
    if result is None:
        return kwargs
    return {
        **kwargs,
        "task_result": {
            "id": str(result.id),
            "status": str(result.status),
            "backend": str(result.backend),
            "task": str(result.task.module_path),
        },
    }
