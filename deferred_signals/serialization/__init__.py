"""Values to JSON and back. One file a family; `codec` holds the form that they share."""

from __future__ import annotations

from deferred_signals.serialization.codec import Codec
from deferred_signals.serialization.containers import is_too_deep, may_be_too_deep
from deferred_signals.serialization.fields import key_of
from deferred_signals.serialization.merging import merge_kwargs
from deferred_signals.serialization.models import is_saved, key_set_form
from deferred_signals.serialization.objects import ExceptionSummary, unwrapped
from deferred_signals.serialization.pending import (
    MissingRelation,
    MissingRow,
    Reference,
    complete,
    fetch,
    fetch_many,
    references,
    replace,
    waiting,
)
from deferred_signals.serialization.querysets import RowsNotSent
from deferred_signals.serialization.refusals import Unencodable, brief
from deferred_signals.serialization.requests import RequestSnapshot
from deferred_signals.serialization.senders import SenderNotLoaded, sender_form
from deferred_signals.serialization.snapshot import Carrying, Same, Snapshot, SomeRows
from deferred_signals.serialization.table import (
    CODEC,
    codec_for,
    decode_call,
    decode_sender,
    encode_sender,
    register_type,
)

__all__ = [
    "CODEC",
    "Carrying",
    "Codec",
    "ExceptionSummary",
    "MissingRelation",
    "MissingRow",
    "Reference",
    "RequestSnapshot",
    "RowsNotSent",
    "Same",
    "SenderNotLoaded",
    "Snapshot",
    "SomeRows",
    "Unencodable",
    "brief",
    "codec_for",
    "complete",
    "decode_call",
    "decode_sender",
    "encode_sender",
    "fetch",
    "fetch_many",
    "is_saved",
    "is_too_deep",
    "key_of",
    "key_set_form",
    "may_be_too_deep",
    "merge_kwargs",
    "references",
    "register_type",
    "replace",
    "sender_form",
    "unwrapped",
    "waiting",
]
