"""The outbox's table: one row for each durable message that is not through."""

from __future__ import annotations

from django.db import models

__all__ = ["TABLE", "OutboxMessage"]


class OutboxMessage(models.Model):
    """A durable message, from the transaction that sent it until it is through.

    The columns tell the row's state: dead (``dead_at``), running (``claimed_by``), queued
    (``woken_at``: a wake-up is out), or else waiting for ``due_at``. All times are the database's, in
    UTC.

    Rows are written, claimed and removed by statements of `deferred_signals.outbox.table`, never through
    the model: its signals are never sent.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    receiver = models.CharField(max_length=255)
    subject = models.CharField(
        max_length=255,
        blank=True,
        default="",
        help_text="Label and key of the first row that the message refers to.",
    )
    payload = models.TextField(help_text="The message, as it was sent.")
    options = models.TextField(
        blank=True,
        default="",
        help_text="JSON of what the message is published with beside its receiver's own options.",
    )
    attempt = models.PositiveIntegerField(default=0, help_text="Runs that were begun.")
    position = models.PositiveIntegerField(default=0, help_text="Its place in its transaction.")
    created_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True, blank=True, help_text="None where it is dead.")
    expires_at = models.DateTimeField(null=True, blank=True)
    dead_at = models.DateTimeField(null=True, blank=True)
    woken_at = models.DateTimeField(
        null=True, blank=True, help_text="When a wake-up for it was published that is not used yet."
    )
    claimed_by = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - no owner
    claimed_at = models.DateTimeField(null=True, blank=True)
    order_key = models.CharField(max_length=32, null=True, blank=True)  # noqa: DJ001 - no order
    running_key = models.CharField(max_length=32, null=True, blank=True)  # noqa: DJ001 - as above
    error = models.TextField(blank=True, default="")

    class Meta:
        verbose_name = "durable message"
        # `unique=True` would give PostgreSQL one index more, for LIKE.
        constraints = (
            models.UniqueConstraint(fields=["running_key"], name="deferred_outbox_running"),
        )

    def __str__(self) -> str:
        return f"{self.receiver} {self.id}"


TABLE = OutboxMessage._meta.db_table
