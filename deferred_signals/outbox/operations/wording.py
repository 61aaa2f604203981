"""Write numbers and ages for people, as the commands and the admin do."""

from __future__ import annotations

__all__ = ["age_in_words", "counted"]


def counted(number: int, what: str) -> str:
    """Write a number of things.

    >>> counted(1, "dead letter"), counted(1200, "dead letter")
    ('1 dead letter', '1,200 dead letters')
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def age_in_words(seconds: float) -> str:
    """Write an age in the unit that fits.

    >>> age_in_words(5.2), age_in_words(600), age_in_words(200_000)
    ('5 s', '10 min', '2 d')
    """
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
