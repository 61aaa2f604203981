"""The ``DEFERRED_SIGNALS`` setting: one dict, read lazily, typed, validated.

`current()` is how the library reads it; `problems()` is how ``manage.py check`` explains it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings as django_settings

from deferred_signals.conf.values import (
    Problem,
    folded_names,
    nested,
    options_by_path,
    parse,
    paths,
    policies,
    policy,
    setting,
)
from deferred_signals.errors import ConfigurationError
from deferred_signals.policies import Retry
from deferred_signals.support.frozen import Frozen
from deferred_signals.support.hints import nearest
from deferred_signals.support.validators import (
    flag,
    name_set,
    names,
    or_none,
    seconds,
    seconds_above_zero,
    text,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Outbox", "Problem", "Settings", "current", "nearest", "problems", "sound"]

NAME = "DEFERRED_SIGNALS"


class Outbox(Frozen):
    """The values of the key ``OUTBOX``: those of durable delivery."""

    LEASE: float = setting(seconds_above_zero, default=60.0)
    RELAY_INTERVAL: float = setting(seconds_above_zero, default=1.0)
    RELAY_BATCH: int = setting(whole(1), default=500)
    RELAY_IN_WORKER: bool = setting(flag, default=True)
    RETENTION: float = setting(seconds_above_zero, default=30 * 24 * 3600.0)
    DATABASES: tuple[str, ...] = setting(names, default=("default",))


class Settings(Frozen):
    """The values in force; what each means is told in docs/settings.md."""

    EAGER: bool = setting(flag, default=False)
    EAGER_PROPAGATES: bool = setting(flag, default=True)
    DEFER: Mapping[str, Mapping[str, Any]] = setting(options_by_path, default_factory=dict)
    RETRY: Retry = setting(policy, default=Retry())
    RETRY_POLICIES: Mapping[str, Retry] = setting(policies, default_factory=dict)
    QUEUE: str | None = setting(or_none(text), default=None)
    PUBLISH_TIMEOUT: float = setting(seconds, default=1.0)
    CONNECT_TIMEOUT: float = setting(seconds_above_zero, default=5.0)
    KEEP_FOR: float = setting(seconds, default=30.0)
    KEEP_MESSAGES: int = setting(whole(0), default=10_000)
    KEEP_BYTES: int = setting(whole(0), default=32 * 1024 * 1024)
    PUBLISH_IN_TESTS: bool = setting(flag, default=False)
    LONGEST_WAIT: float | None = setting(or_none(seconds_above_zero), default=None)
    BREAKER_COOLDOWN: float = setting(seconds_above_zero, default=5.0)
    MAX_MESSAGE_BYTES: int = setting(whole(1024), default=256 * 1024)
    SENSITIVE: frozenset[str] = setting(
        folded_names,
        default=frozenset(
            {
                "access_token",
                "api_key",
                "passwd",
                "password",
                "private_key",
                "raw_password",
                "refresh_token",
                "secret",
            }
        ),
    )
    REQUEST_SESSION_KEYS: frozenset[str] = setting(name_set, default=frozenset())
    REQUEST_HEADERS: frozenset[str] = setting(name_set, default=frozenset())
    CONTEXT: tuple[str, ...] = setting(
        paths,
        default=(
            "deferred_signals.context.Language",
            "deferred_signals.context.TimeZone",
        ),
    )
    SIGNING: bool = setting(flag, default=False)
    UNKNOWN_GRACE: float = setting(seconds_above_zero, default=3600.0)
    MAX_DEPTH: int = setting(whole(1), default=16)
    MAX_REDELIVERIES: int = setting(whole(0), default=10)
    DURABLE: bool = setting(flag, default=False)
    OUTBOX: Outbox = setting(nested(Outbox), default=Outbox())


def current() -> Settings:
    """Return the settings in force, also inside ``override_settings`` and after an assignment.

    Raises:
        ConfigurationError: the setting has an unknown key or a value of the wrong type.
    """
    # Each send reads the settings several times, and Django takes long to say that one is not there.
    # So this place alone looks behind Django's lazy object. What holds the settings is another object
    # within `override_settings`, and has no `__dict__` while another thread exchanges it.
    global _current  # noqa: PLW0603 - the cache of one value, replaced as a whole
    holder, raw, settings = _current
    now = _behind(django_settings, "_wrapped")
    if settings is None or holder is not now or raw is not getattr(now, "__dict__", {}).get(NAME):
        getattr(django_settings, NAME, None)  # has Django load its settings, if it has not
        # Noted before the setting is parsed: what another thread sets meanwhile is seen the next time.
        now = _behind(django_settings, "_wrapped")
        raw = getattr(now, "__dict__", {}).get(NAME)
        settings = _parse(getattr(now, NAME, None))
        _current = now, raw, settings
    return settings


#: Reads an attribute of Django's lazy object itself, whose own look-up is slow.
_behind = object.__getattribute__


def sound() -> Settings:
    """Return the values that are right, and the defaults in place of the others.

    For what happens while apps load, where an error would hide the system check that tells all
    `problems` at once.
    """
    return _parse_all(getattr(django_settings, NAME, None))[0]


def problems() -> list[Problem]:
    """List everything that is wrong with the setting."""
    raw = getattr(django_settings, NAME, None)
    return _parse_all(raw)[1]


#: The holder and the dict that `current` read, and what that came to.
_current: tuple[object, object, Settings | None] = None, None, None


def _parse(raw: object) -> Settings:
    settings, found = _parse_all(raw)
    if found:
        first = found[0]
        raise ConfigurationError(f"{first.text} {first.hint}")
    return settings


def _parse_all(raw: object) -> tuple[Settings, list[Problem]]:
    if raw is None:
        return Settings(), []
    if not isinstance(raw, dict):
        problem = Problem(NAME, f"{NAME} must be a dict, got {raw!r}.", f"Write {NAME} = {{...}}.")
        return Settings(), [problem]
    return parse(Settings, raw, NAME)
