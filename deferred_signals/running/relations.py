"""Whether a receiver failed since a relation of a deleted row leads to a row that is gone as well.

Nothing else that a receiver looks for, and does not find, says anything about its message. Django
raises the same exception for both, so this one place asks the traceback which it was: whether the
descriptor of a relation was asked for a relation of a row that travelled as deleted.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

from django.db.models.fields.related_descriptors import (
    ForwardManyToOneDescriptor,
    ReverseOneToOneDescriptor,
)

if TYPE_CHECKING:
    from django.core.exceptions import ObjectDoesNotExist

__all__ = ["is_gone_relation"]

#: Where Django looks for the row of a relation.
_LOOK_UPS = frozenset(
    {ForwardManyToOneDescriptor.__get__.__code__, ReverseOneToOneDescriptor.__get__.__code__}
)


def is_gone_relation(error: ObjectDoesNotExist) -> bool:
    """Return whether a row was looked for that a relation of a deleted row leads to."""
    return any(
        frame.f_code in _LOOK_UPS and _was_deleted(frame.f_locals.get("instance"))
        for frame, _line in traceback.walk_tb(error.__traceback__)
    )


def _was_deleted(row: Any) -> bool:
    return getattr(getattr(row, "_state", None), "travelled", None) == "deleted"
