"""Tell whether a receiver failed because a relation of a deleted row leads to a row that is gone.

Such a failure counts as a missing row of the message. A receiver may also look for other rows, and
not finding one says nothing about the message. Django raises the same exception for both. So this
one place looks into the traceback: did the descriptor of a relation look for the relation of a row
that travelled as deleted? (Django does not document the descriptors' code as an interface.)
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

#: The code by which Django looks for the row of a relation.
_LOOK_UPS = frozenset(
    {ForwardManyToOneDescriptor.__get__.__code__, ReverseOneToOneDescriptor.__get__.__code__}
)


def is_gone_relation(error: ObjectDoesNotExist) -> bool:
    """Return whether the row that was not found is one that a relation of a deleted row leads to."""
    return any(
        frame.f_code in _LOOK_UPS and _was_deleted(frame.f_locals.get("instance"))
        for frame, _line in traceback.walk_tb(error.__traceback__)
    )


def _was_deleted(row: Any) -> bool:
    return getattr(getattr(row, "_state", None), "travelled", None) == "deleted"
