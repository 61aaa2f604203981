"""Note who did what to which messages: in Django's admin log for a user, in the log for anybody."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from django.apps import apps

from deferred_signals.outbox.dialects import text_of_id
from deferred_signals.outbox.models import OutboxMessage
from deferred_signals.support.records import about
from deferred_signals.support.telling import log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import Model

__all__ = ["Noted"]


class Noted(NamedTuple):
    """What was done, by whom.

    Attributes:
        what: what was done, in the past tense, as "replayed".
        user: who did it; None: a command, or the project's own code.
        removes: whether what it was done to is gone now.
    """

    what: str
    user: Any
    removes: bool = False

    def note(self, objects: Sequence[Model]) -> None:
        """Note it for each message, or paused receiver, to which it was done."""
        if self.user is not None and apps.is_installed("django.contrib.admin"):
            # Not to be imported without the app.
            from django.contrib.admin.models import (  # noqa: PLC0415 - see above
                CHANGE,
                DELETION,
                LogEntry,
            )

            LogEntry.objects.log_actions(
                user_id=self.user.pk,
                queryset=objects,
                action_flag=DELETION if self.removes else CHANGE,
                change_message=f"{self.what.capitalize()}.",
            )
        who = "a command or the project" if self.user is None else f"user {self.user.pk}"
        for one in objects:
            log(logging.INFO, "%s was %s by %s", one, self.what, who, extra=_about(one))


def _about(one: Model) -> dict[str, object]:
    receiver = getattr(one, "receiver", None)
    id_ = text_of_id(one.pk) if isinstance(one, OutboxMessage) else None
    return about("changed", receiver=receiver, message_id=id_)
