"""How an attempt may end: all outcomes, in one place."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "Discarded",
    "Failed",
    "LeaseLost",
    "Lost",
    "Outcome",
    "Retrying",
    "Succeeded",
    "Unknown",
]


@dataclass(frozen=True)
class Succeeded:
    """The receiver returned."""


@dataclass(frozen=True)
class Retrying:
    """The attempt failed; the next one is due in ``wait`` seconds."""

    exception: BaseException
    wait: float


@dataclass(frozen=True)
class Discarded:
    """The message is dropped on purpose."""

    reason: str


@dataclass(frozen=True)
class Failed:
    """The message is given up."""

    exception: BaseException
    reason: str


@dataclass(frozen=True)
class Unknown(Failed):
    """The message needs something that this process does not know; the receiver was not called.

    It may be the receiver itself, its version, a model, a type or an enum member. A worker parks
    the message, since another worker may know it. Where there is no other process to wait for, as
    in eager mode, the message has failed.
    """

    exception: Exception
    reason: str = "this process does not know the receiver, or something that the message refers to"


@dataclass(frozen=True)
class Lost:
    """The run of a durable message is over, and its row is not this process's any more.

    Its lease ended, and another process runs it, or its database went away, and the lease decides. What
    an ``atomic`` receiver wrote was rolled back. Nobody is told, and no attempt is charged.
    """

    reason: str


class LeaseLost(Exception):
    """End an ``atomic`` run whose row is not this process's any more."""


Outcome = Succeeded | Retrying | Discarded | Failed | Lost
