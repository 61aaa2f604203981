"""Envelopes: only what kombu is known to write becomes a template."""

import json
from base64 import b64encode
from typing import Any

import pytest

from deferred_signals.publishing.patterns import Prepared
from deferred_signals.publishing.redis import Envelope

BODY = "[[1], {}, {}]"
PREPARED = Prepared(
    BODY, 0, "application/json", "utf-8", {"id": "5f1c", "argsrepr": "(a)"}, {"reply_to": "oid"}
)


def envelope(**changes: Any) -> dict[str, Any]:
    return {
        "body": b64encode(BODY.encode()).decode(),
        "headers": {"id": "5f1c", "root_id": "5f1c", "argsrepr": "(a)", "note": "100 %"},
        "properties": {"correlation_id": "5f1c", "reply_to": "oid", "delivery_tag": "t"},
        **changes,
    }


def command(text: str, *, name: str = "LPUSH", key: Any = "celery") -> list[Any]:
    return [((name, key, text), {})]


def test_envelope_gives_the_first_to_the_letter() -> None:
    text = json.dumps(envelope())
    made = Envelope.of(command(text), PREPARED)
    assert made is not None
    assert made.key == "celery"
    values = {"body": f'"{envelope()["body"]}"', "id": '"5f1c"', "shown": '"(a)"'}
    assert made.template % {**values, "reply_to": '"oid"', "tag": '"t"'} == text


@pytest.mark.parametrize(
    "unknown",
    [
        command(json.dumps(envelope()), name="RPUSH"),
        command(json.dumps(envelope()), key=b"celery"),
        command("no JSON"),
        command("[]"),
        command(json.dumps(envelope(), indent=1)),
        command(json.dumps(envelope(body=BODY))),
        command(json.dumps(envelope(headers={"id": "5f1c", "argsrepr": "(a)"}))),
        command(json.dumps(envelope(headers={"id": "5f1c", "root_id": "1", "argsrepr": "(a)"}))),
        command(json.dumps(envelope(properties={"delivery_tag": "t"}))),
        command(json.dumps(envelope(properties={}))),
        command(json.dumps(envelope(headers=[]))),
        [(("LPUSH", "celery", json.dumps(envelope()), "more"), {})],
        [(("LPUSH",), {})],
        [((), {})],
        [*command(json.dumps(envelope())), (("PEXPIRE", "celery", 1), {})],
        [],
    ],
)
def test_other_form_is_left_to_kombu(unknown: list[Any]) -> None:
    assert Envelope.of(unknown, PREPARED) is None
