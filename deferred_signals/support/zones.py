"""Time zones by their names, as messages name them."""

from __future__ import annotations

import zoneinfo
from functools import cache

__all__ = ["known_zones", "zone_of"]


def zone_of(name: str) -> zoneinfo.ZoneInfo:
    """The zone of a name that came from outside.

    The names of this machine are asked first: ``ZoneInfo`` would search packages for any other.

    Raises:
        LookupError: there is none.
    """
    if name not in known_zones():
        raise LookupError(f"no time zone {name!r} on this machine")
    return zoneinfo.ZoneInfo(name)


@cache
def known_zones() -> frozenset[str]:
    """The names of all zones that this machine has."""
    return frozenset(zoneinfo.available_timezones())
