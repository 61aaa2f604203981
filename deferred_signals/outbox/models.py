"""The outbox's tables: a row for each durable message that is not through, and the paused receivers.

The models also declare the permissions of the admin, in which nothing is added, changed or deleted.
"""

from __future__ import annotations

from django.db import models

__all__ = ["PAUSES", "TABLE", "OutboxMessage", "PausedReceiver", "Receiver"]


class OutboxMessage(models.Model):
    """A durable message, from the transaction that sent it until it is through.

    The columns tell the row's state: dead (``dead_at``), running (``claimed_by``), queued
    (``woken_at``: a wake-up is out), or else waiting for ``due_at``. All times are the database's, in
    UTC.

    Rows are written, claimed and removed by statements of `deferred_signals.outbox`, never through the
    model: its signals are never sent.
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
        default_permissions = ("view",)
        permissions = (
            ("view_outboxmessage_values", "Can view the values of durable messages"),
            ("replay_outboxmessage", "Can replay dead letters"),
            ("discard_outboxmessage", "Can discard dead letters"),
            ("cancel_outboxmessage", "Can cancel durable messages"),
        )

    def __str__(self) -> str:
        return f"{self.receiver} {self.id}"


class PausedReceiver(models.Model):
    """A receiver whose messages are not claimed until somebody resumes it."""

    receiver = models.CharField(primary_key=True, max_length=255)
    paused_at = models.DateTimeField()
    paused_by = models.CharField(
        max_length=255, blank=True, default="", help_text="Who paused it; empty for a command."
    )

    class Meta:
        verbose_name = "paused receiver"
        default_permissions = ()

    def __str__(self) -> str:
        return self.receiver


class Receiver(PausedReceiver):
    """A receiver of any kind: the map of receivers in the admin, and its permissions.

    It has no rows of its own. The map is that of the process that shows it.
    """

    class Meta:
        proxy = True
        verbose_name = "receiver"
        default_permissions = ("view",)
        permissions = (("pause_receiver", "Can pause and resume receivers"),)


TABLE = OutboxMessage._meta.db_table
PAUSES = PausedReceiver._meta.db_table
