"""Values to JSON and back: what can travel in a message, and how.

A **form** is an encoded value: what JSON can hold. JSON's own values are their own forms; the form of
any other value is a dict with one key, its **tag**, like ``{"$date": "2026-01-31"}``. A kwarg's form
is written by ``codec.encode`` at send, and read by ``codec.decode`` on the worker. Decoding asks no
database: a value that needs a row decodes to a **Pending** one, which `complete` makes whole when the
rows are there. A saved instance decodes to a `Reference`, which `fetch` finds the row of.

Where to look:

* the codec: `codec` (a form's rules), `encoder` (finds a function by a value's type), `decoder` (finds
  one by a form's tag), `nesting` (how deep a form may be), `unencodable` (a value that cannot travel)
* the codecs there are: `codecs` (of all messages, of a receiver, of senders), `registration`
  (`register_type`)
* families, each with an ``install`` that teaches a codec its types: `containers`, `values`, `moments`,
  `objects`, `models`, `snapshots`, `carrying`, `files`, `querysets`, `requests`, `senders`,
  `declared` (dataclasses, named tuples, `enums`), `derived` (types derived from Python's own)
* what the sending side asks for: `marks` (`Snapshot`: field values in place of a reference;
  `Carrying`, `SomeRows`, `Same`), `merging` (two sends made one)
* rows: `keys`, `fields`, `field_values` (their codec), `trusted_fields` (whose code may read data
  from outside), `travelled` (an instance made of a snapshot)
* after decoding: `pending` (`Pending`, `Reference`), `fetching`, `request_snapshot` and `captured`
  (what a receiver gets of a request)
* what no message may reach: `hashing` (methods of items and keys), `lookups` (objects by path)
"""

from __future__ import annotations

from deferred_signals.serialization.codec import Codec
from deferred_signals.serialization.codecs import (
    CODEC,
    codec_for,
    decode_call,
    decode_sender,
    encode_sender,
)
from deferred_signals.serialization.fetching import (
    MissingRelation,
    MissingRow,
    fetch,
    fetch_many,
)
from deferred_signals.serialization.keys import key_form, key_of, key_set_form
from deferred_signals.serialization.marks import Carrying, Same, Snapshot, SomeRows
from deferred_signals.serialization.merging import merge_kwargs
from deferred_signals.serialization.models import is_saved
from deferred_signals.serialization.nesting import is_too_deep, may_be_too_deep
from deferred_signals.serialization.objects import ExceptionSummary, unwrapped
from deferred_signals.serialization.pending import (
    Reference,
    complete,
    completed,
    references,
    waiting,
)
from deferred_signals.serialization.querysets import RowsNotSent
from deferred_signals.serialization.registration import register_type
from deferred_signals.serialization.request_snapshot import RequestSnapshot
from deferred_signals.serialization.senders import SenderNotLoaded, sender_value
from deferred_signals.serialization.unencodable import Unencodable

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
    "codec_for",
    "complete",
    "completed",
    "decode_call",
    "decode_sender",
    "encode_sender",
    "fetch",
    "fetch_many",
    "is_saved",
    "is_too_deep",
    "key_form",
    "key_of",
    "key_set_form",
    "may_be_too_deep",
    "merge_kwargs",
    "references",
    "register_type",
    "sender_value",
    "unwrapped",
    "waiting",
]
