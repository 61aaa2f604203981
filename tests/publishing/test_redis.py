"""Redis: only an envelope that kombu is known to write becomes a template."""

import json
from base64 import b64encode
from types import SimpleNamespace
from typing import Any

import pytest
from kombu import Connection
from kombu.transport import redis

from deferred_signals.publishing.envelopes import Envelope
from deferred_signals.publishing.patterns import Prepared
from deferred_signals.publishing.redis import Pipeline
from tests.support.acting import raising
from tests.support.patterns import copy_of, learned

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
    values = {"body": f'"{envelope()["body"]}"', "id": '"5f1c"', "argsrepr": '"(a)"'}
    assert made.text % {**values, "reply_to": '"oid"', "tag": '"t"'} == text


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


class Offline(redis.Channel):
    """A channel of kombu's, which takes commands and has no Redis to send them to."""

    client = SimpleNamespace(ping=lambda: True)


@pytest.fixture
def channel() -> Offline:
    return Offline(Connection("redis://").transport)


def commands(batch: Pipeline) -> list[Any]:
    """Return what redis-py would send at the end of the batch, which is then forgotten."""
    batch._push()  # noqa: SLF001 - what the end of the block does first
    found = list(batch._batch.pipeline.command_stack)  # noqa: SLF001 - pinned here
    batch._batch.discard()  # noqa: SLF001
    return [arguments for arguments, _ in found]


needs_batches = pytest.mark.skipif(
    not hasattr(redis.Channel, "create_publish_batch"), reason="this kombu has no batches"
)


@needs_batches
def test_copies_leave_as_one_command_by_the_envelope_that_kombu_wrote(channel: Offline) -> None:
    # If this fails, kombu or redis-py has changed something private: all works, and is slower.
    pattern, prepared = learned()
    sent = {"exchange": "", "routing_key": "celery"}
    copies = [copy_of(pattern, payloads=(f"{number}",)) for number in range(2)]
    batch = Pipeline(channel).__enter__()
    batch.publish(channel.prepare_message(*prepared), sent, prepared, pattern)
    assert all(batch.publish_copy(copy) for copy in copies)
    (*first, text), (*others, one, two) = commands(batch)
    assert first == others == ["LPUSH", "celery"]
    for copy, filled in zip(copies, (one, two), strict=True):
        by_kombu = json.loads(text)
        made = json.loads(filled)
        assert made["properties"].pop("delivery_tag") != by_kombu["properties"].pop("delivery_tag")
        kept = channel.prepare_message(*pattern.prepared(copy))
        assert made["headers"] == kept["headers"]
        assert made["properties"] == by_kombu["properties"] | {
            "correlation_id": copy.task_id,
            "reply_to": copy.reply_to,
        }
        assert made["body"] == b64encode(pattern.body_of(copy).encode()).decode()


@needs_batches
@pytest.mark.parametrize("way", ["prefix", "exchange"])
def test_key_that_is_not_simply_the_queue_is_left_to_kombu(way: str, channel: Any) -> None:
    if way == "prefix":
        channel.global_keyprefix = "shop."
    else:
        channel.typeof = lambda exchange: SimpleNamespace(deliver=lambda *_, **__: None)
    pattern, prepared = learned()
    sent = {"exchange": "x" if way == "exchange" else "", "routing_key": "celery"}
    batch = Pipeline(channel).__enter__()
    batch.publish(channel.prepare_message(*prepared), sent, prepared, pattern)
    assert pattern.templates == {Envelope: None}
    assert not batch.publish_copy(copy_of(pattern))
    commands(batch)


@needs_batches
def test_client_that_repeats_commands_gets_no_batch(channel: Offline) -> None:
    assert Pipeline.suits(channel)
    channel.retry_on_timeout = True
    assert not Pipeline.suits(channel)


@needs_batches
def test_copy_without_a_template_is_left_to_kombu(channel: Offline) -> None:
    pattern, _ = learned()
    assert not Pipeline(channel).publish_copy(copy_of(pattern))


@needs_batches
def test_batch_is_empty_when_it_is_used_again(channel: Offline) -> None:
    pattern, prepared = learned()
    sent = {"exchange": "", "routing_key": "celery"}
    batch = Pipeline(channel)
    for _ in range(2):
        with pytest.raises(LookupError), batch:
            batch.publish(channel.prepare_message(*prepared), sent, prepared, pattern)
            assert len(batch._commands) == 1  # noqa: SLF001 - nothing is sent by this test
            raise LookupError


@needs_batches
def test_publication_that_fails_spoils_no_later_batch(channel: Offline) -> None:
    pattern, prepared = learned()
    batch = Pipeline(channel)
    with batch, pytest.raises(TypeError):
        batch.publish("no message", {"exchange": "", "routing_key": "celery"}, prepared, None)
    with pytest.raises(LookupError), batch:
        batch.publish(
            channel.prepare_message(*prepared),
            {"exchange": "", "routing_key": "celery"},
            prepared,
            pattern,
        )
        assert len(batch._commands) == 1  # noqa: SLF001 - as above
        raise LookupError


@needs_batches
def test_nothing_has_begun_where_no_connection_is_to_be_had(channel: Any) -> None:
    pattern, prepared = learned()
    batch = Pipeline(channel)
    pool = SimpleNamespace(get_connection=raising(ConnectionError("refused")))
    with pytest.raises(ConnectionError), batch:
        batch.publish(
            channel.prepare_message(*prepared),
            {"exchange": "", "routing_key": "celery"},
            prepared,
            pattern,
        )
        batch._pipeline.connection_pool = pool  # noqa: SLF001 - as where Redis has gone
    assert not batch.has_begun
