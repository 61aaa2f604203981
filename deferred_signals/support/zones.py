"""Time zones by name."""

from __future__ import annotations

import zoneinfo
from functools import cache

__all__ = ["known_zones", "zone_of"]


def zone_of(name: str) -> zoneinfo.ZoneInfo:
    """Return the zone of a name that came from outside.

    Names that this machine does not have are refused first: ``ZoneInfo`` would search packages for them.

    Raises:
        LookupError: there is no such zone.
    """
    if name not in known_zones():
        raise LookupError(f"no time zone {name!r} on this machine")
    return zoneinfo.ZoneInfo(name)


@cache
def known_zones() -> frozenset[str]:
    """Return the names of all zones that this machine has."""
    return frozenset(zoneinfo.available_timezones())
