"""The codec against kombu's JSON: ten kwargs to text and back.

kombu's form is lossy (tuples become lists, zones become offsets, keys become strings); ours is
not. The question is whether that costs anything. Run: ``python -m benchmarks.codec``.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
from decimal import Decimal
from uuid import UUID

from django.conf import settings
from kombu.utils.json import dumps, loads

from benchmarks.pairs import compare, machine

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


def main() -> None:
    """Measure, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only show that it runs")
    quick = parser.parse_args().quick
    settings.configure()
    from deferred_signals.serialization import CODEC  # noqa: PLC0415 - needs the settings

    encoder = json.JSONEncoder(separators=(",", ":"), check_circular=False, allow_nan=False)

    def encode() -> str:
        return encoder.encode(CODEC.encode_values(TEN_KWARGS))

    text, their_text = encode(), dumps(TEN_KWARGS)

    def decode() -> object:
        return CODEC.decode_values(json.loads(text))

    if decode() != TEN_KWARGS:
        raise SystemExit("The codec does not give back what it was given.")
    calls, rounds = (10, 4) if quick else (200, 300)
    print(machine())
    print()
    print("| ten kwargs | ours, µs | kombu's JSON, µs | ratio (quartiles) |")
    print("|---|---|---|---|")
    for name, ours, theirs in (
        ("encode", encode, lambda: dumps(TEN_KWARGS)),
        ("decode", decode, lambda: loads(their_text)),
    ):
        found = compare(ours, theirs, calls=calls, rounds=rounds)
        print(
            f"| {name} | {found.ours:.1f} | {found.theirs:.1f} "
            f"| {found.median:.2f} ({found.low:.2f} to {found.high:.2f}) |"
        )


if __name__ == "__main__":
    main()
