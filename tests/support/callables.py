"""Callables of every kind that may be a receiver, and a count of those that defer."""

from django.dispatch import Signal


class Service:
    """Has methods of every kind, and may be called."""

    def method(self, sender: object, **kwargs: object) -> None: ...

    @classmethod
    def of_the_class(cls, sender: object, **kwargs: object) -> None: ...

    @staticmethod
    def static(sender: object, **kwargs: object) -> None: ...

    def __call__(self, sender: object, **kwargs: object) -> None: ...


service = Service()


def plain(sender: object, **kwargs: object) -> None:
    """Say nothing."""


def count(signal: Signal, sender: object = None) -> int:
    """Send the signal, and count the receivers that defer."""
    return sum(deferred is not None for _, deferred in signal.send(sender))
