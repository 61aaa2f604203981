"""The codec against kombu's JSON: ten kwargs to text and back.

kombu's form is lossy (tuples become lists, zones become offsets, keys become strings); ours is
not. The benchmark asks whether that costs anything.
"""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from uuid import UUID

from kombu.utils.json import dumps, loads

from benchmarks.pairs import in_turns, timed
from benchmarks.results import Ratios, Result
from deferred_signals.serialization import CODEC

__all__ = ["measure"]

TEN_KWARGS = {
    "order_id": 123456,
    "total_amount": Decimal("99.95"),
    "currency": "EUR",
    "placed_at": dt.datetime(2026, 11, 22, 12, 30, tzinfo=dt.UTC),
    "customer": {
        "id": UUID("5f1c2f0e-8d0b-4a53-9f5c-3f3f6a1a0b11"),
        "name": "Ada Lovelace",
        "tags": ["a", "b", "c"],
    },
    "lines": [
        {"sku": "A-1", "qty": 2, "price": Decimal("10.00")},
        {"sku": "B-2", "qty": 1, "price": Decimal("79.95")},
    ],
    "paid": True,
    "note": None,
    "ratio": 0.25,
    "channel": "web",
}


def measure(*, quick: bool) -> Ratios:
    """Encode and decode, by both.

    Raises:
        SystemExit: decoding does not give back what was encoded.
    """
    encoder = json.JSONEncoder(separators=(",", ":"), check_circular=False, allow_nan=False)

    def encode() -> str:
        return encoder.encode(CODEC.encode_values(TEN_KWARGS))

    text, their_text = encode(), dumps(TEN_KWARGS)

    def decode() -> object:
        return CODEC.decode_values(json.loads(text))

    if decode() != TEN_KWARGS:
        raise SystemExit("The codec does not give back what it was given.")
    calls, rounds = (10, 1) if quick else (200, 100)
    return Ratios(
        title="Codec",
        note="µs for ten kwargs. Ours gives back every type that it was given.",
        charted=False,
        results=tuple(
            Result(
                case=case,
                against="kombu's JSON",
                pair=in_turns(timed(ours, calls=calls), timed(theirs, calls=calls), rounds=rounds),
            )
            for case, ours, theirs in (
                ("encode", encode, lambda: dumps(TEN_KWARGS)),
                ("decode", decode, lambda: loads(their_text)),
            )
        ),
    )
