"""The same as `benchmarks.project.by_hand`, with django-celery-outbox."""

from django_celery_outbox import OutboxCelery

app = OutboxCelery("outboxed", set_as_current=False)
app.config_from_object("django.conf:settings", namespace="CELERY")


def take_order(order_id: int, email: str) -> None:
    """Take note of an order."""


task = app.task(take_order)


def order_placed(number: int) -> None:
    """Store one event for one task."""
    task.delay(order_id=number, email="ada@example.com")
