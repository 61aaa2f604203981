"""What is taken, at send, from the kwargs of built-in signals that could not travel as they are."""

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

#: As Django's `contrib.auth`, which cleanses by the same words, but only what it knows of.
_SECRETS = ("api", "token", "key", "secret", "password", "signature")
CLEANSED = "********************"

#: Of the environments of WSGI and ASGI, which hold sockets, bodies and cookies as well.
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
    """``pre_delete`` and ``post_delete``: the row as it was, since it is gone by the run."""
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
    """``post_migrate``: the plan by names; no stream, no historical models."""
    found = {name: value for name, value in kwargs.items() if name not in {"stdout", "apps"}}
    if "plan" in found:
        found["plan"] = [(item.app_label, item.name, back) for item, back in found["plan"]]
    return found


def request_begun(kwargs: Kwargs) -> Kwargs:
    """``request_started``: a few plain values of the environment."""
    found = dict(kwargs)
    for name, keys in (("environ", _ENVIRON), ("scope", _SCOPE)):
        if isinstance(kwargs.get(name), dict):
            found[name] = {key: kwargs[name][key] for key in keys if key in kwargs[name]}
    return found


def request_failed(kwargs: Kwargs) -> Kwargs:
    """``got_request_exception``: the exception, which Django leaves in ``sys.exc_info()``."""
    return {**kwargs, "exception": sys.exc_info()[1]}


def login_failed(kwargs: Kwargs) -> Kwargs:
    """``user_login_failed``: credentials cleansed once more, since back ends add to them."""
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
    """Signals of ``django.tasks``: which task, and how it stands."""
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
