"""`Settled`: what a channel, or RabbitMQ's confirms, settle."""

from collections.abc import Collection


class Settled:
    """What became of publications, by their places.

    Attributes:
        published: those that the broker has.
        errors: why it is not known to have the others.
        failed: the same places; whether the broker surely lacks them.
    """

    def __init__(self) -> None:
        self.published: list[int] = []
        self.errors: list[Exception] = []
        self.failed: dict[int, bool] = {}

    def __call__(
        self, places: Collection[int], error: Exception | None = None, *, is_certain: bool = True
    ) -> None:
        if error is None:
            self.published += places
        else:
            self.errors += [error] * len(places)
            self.failed.update(dict.fromkeys(places, is_certain))
