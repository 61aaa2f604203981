"""What each record of the log has beside its text, for logs that are searched by fields.

All keys begin with ``deferred_``, so that none is one of a record's own, or of another library's.
"""

from __future__ import annotations

__all__ = ["KEYS", "about"]

#: The keys that a record may have. The first is on each record.
KEYS = ("deferred_event", "deferred_receiver", "deferred_message_id", "deferred_attempt")


def about(
    event: str,
    *,
    receiver: str | None = None,
    message_id: str | None = None,
    attempt: int | None = None,
) -> dict[str, object]:
    """Make the ``extra`` of a record; it has no key of what is None.

    Arguments:
        event: what happened, in one word that stays the same from version to version.
        receiver: the receiver's name.
        message_id: the message's id.
        attempt: the run that the record is about, from 1.

    >>> about("failed", receiver="shop.receivers.greet", attempt=3)
    {'deferred_event': 'failed', 'deferred_receiver': 'shop.receivers.greet', 'deferred_attempt': 3}
    """
    values = (event, receiver, message_id, attempt)
    return {key: value for key, value in zip(KEYS, values, strict=True) if value is not None}
