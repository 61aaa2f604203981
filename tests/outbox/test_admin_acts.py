"""Replay, discard and cancel in the admin: who may, what is asked first, and what is told."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, DELETION, LogEntry

from deferred_signals.outbox import cancel
from deferred_signals.outbox.admin.messages import MOST
from deferred_signals.outbox.models import OutboxMessage
from tests.support.stored import ago, stored

from .rows import NOWHERE
from .visitors import Visitor, admin_url, text_of, visitor

__all__ = ["visitor"]

pytestmark = [
    pytest.mark.urls("tests.support.admin_urls"),
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
]

ACT = "outboxmessage_act"
VIEW = "view_outboxmessage"
ACTS = ["replay", "discard", "cancel"]

New = Callable[..., Visitor]


def dead(**columns: Any) -> str:
    return stored("tests.book", dead_at=ago(90), error="Failure", attempt=3, **columns)


def fit_for(act: str) -> str:
    """Write a message that the act is for."""
    return stored("tests.book") if act == "cancel" else dead()


def is_there(id_: str) -> bool:
    return OutboxMessage.objects.filter(id=id_).exists()


@pytest.mark.parametrize("act", ACTS)
def test_act_takes_a_permission_of_its_own(act: str, visitor: New) -> None:
    id_ = fit_for(act)
    before = list(OutboxMessage.objects.values())
    others = [f"{other}_outboxmessage" for other in ACTS if other != act]
    eve = visitor(VIEW, *others)
    assert eve.act(act, id_).status_code == 403
    blind = visitor(f"{act}_outboxmessage", name="blind")
    assert blind.act(act, id_).status_code == 403
    assert list(OutboxMessage.objects.values()) == before
    assert not LogEntry.objects.exists()
    able = visitor(VIEW, f"{act}_outboxmessage", name="able")
    assert able.act(act, id_).status_code == 200
    assert list(OutboxMessage.objects.values()) != before


@pytest.mark.parametrize("act", ACTS)
def test_only_what_a_user_may_do_is_offered(act: str, visitor: New) -> None:
    id_ = fit_for(act)
    eve = visitor(VIEW, f"{act}_outboxmessage")
    for page in (eve.get("outboxmessage_changelist"), eve.get("outboxmessage_change", id_)):
        html = page.content.decode()
        assert [f'value="{other}"' in html for other in ACTS] == [other == act for other in ACTS]
    none = visitor(VIEW, name="none")
    assert "csrf" not in text_of(none.get("outboxmessage_changelist"))
    assert 'name="act"' not in none.get("outboxmessage_changelist").content.decode()


@pytest.mark.parametrize(
    ("act", "flag", "told"),
    [
        ("replay", CHANGE, "Replayed."),
        ("discard", DELETION, "Discarded."),
        ("cancel", DELETION, "Cancelled."),
    ],
)
def test_act_is_noted_in_the_admins_log(act: str, flag: int, told: str, visitor: New) -> None:
    ids = [fit_for(act), fit_for(act)]
    eve = visitor()
    eve.act(act, *ids)
    entries = LogEntry.objects.order_by("object_id")
    assert [entry.object_id for entry in entries] == sorted(ids)
    assert {(one.user_id, one.action_flag, one.change_message) for one in entries} == {
        (eve.user.pk, flag, told)
    }
    assert {entry.object_repr for entry in entries} == {f"tests.book {id_}" for id_ in ids}


def test_replay_makes_dead_letters_due_and_tells_of_the_others(visitor: New) -> None:
    ids = [dead(), stored("tests.book"), NOWHERE]
    text = text_of(visitor().act("replay", *ids))
    assert "1 message was replayed." in text
    assert "2 messages were not replayed: they are no dead letter, or not any more." in text
    row = OutboxMessage.objects.get(id=ids[0])
    assert (row.dead_at, row.attempt, row.error) == (None, 0, "")


def test_page_of_a_message_is_shown_again_after_its_replay(visitor: New) -> None:
    id_ = dead()
    response = visitor().act("replay", id_, **{"from": id_})
    assert "1 message was replayed." in text_of(response)
    assert "Runs begun 0" in text_of(response)


@pytest.mark.parametrize("act", ["discard", "cancel"])
def test_what_is_for_good_is_asked_first(act: str, visitor: New) -> None:
    id_ = fit_for(act)
    eve = visitor()
    asked = eve.post(ACT, act=act, id=[id_, NOWHERE], back="?state=dead&q=book")
    text = text_of(asked)
    assert "removed for good" in text
    assert "1 of the 2 that you chose is not in the outbox any more." in text
    assert id_ in text
    assert "/outboxmessage/?state=dead&amp;q=book&amp;using=default" in asked.content.decode()
    assert is_there(id_)
    assert not LogEntry.objects.exists()


def test_nothing_is_asked_where_there_is_nothing_to_do(visitor: New) -> None:
    asked = visitor().post(ACT, act="discard", id=[stored("tests.book"), NOWHERE])
    assert "1 of these is left alone: only dead letters are discarded." in text_of(asked)
    assert "No, take me back" in text_of(asked)
    assert "Discard 0" not in text_of(asked)
    assert "<button" not in asked.content.decode().partition("ds-scroll")[2]


def test_discard_leaves_alone_what_is_replayed_meanwhile(visitor: New) -> None:
    ids = [dead(), dead()]
    eve = visitor()
    eve.act("replay", ids[0])
    text = text_of(eve.act("discard", *ids))
    assert "1 dead letter was discarded." in text
    assert "1 message was not discarded" in text
    assert [is_there(id_) for id_ in ids] == [True, False]


def test_cancel_leaves_alone_what_a_worker_took_meanwhile_and_says_who(visitor: New) -> None:
    waits = stored("tests.book")
    runs = stored("tests.book", due_at=ago(-50), claimed_by="worker-1:712", claimed_at=ago(1))
    eve = visitor()
    text = text_of(eve.act("cancel", waits, runs))
    assert "1 message was cancelled." in text
    assert f"The message {runs} for tests.book is being run by worker-1:712." in text
    assert [is_there(id_) for id_ in (waits, runs)] == [False, True]
    assert "1 message was cancelled." in text_of(eve.act("cancel", runs, force="1"))
    assert not is_there(runs)


def test_cancel_spares_dead_letters_which_take_another_permission(visitor: New) -> None:
    id_ = dead()
    text = text_of(visitor(VIEW, "cancel_outboxmessage").act("cancel", id_, force="1"))
    assert "1 message was not cancelled: it is through, or dead" in text
    assert is_there(id_)
    assert not cancel(id_, spare_dead=True)
    assert cancel(id_)


def test_all_of_a_page_are_chosen_by_one_box(visitor: New) -> None:
    shown, other = [dead(), dead()], dead()
    eve = visitor()
    eve.post(ACT, act="replay", all="1", shown=shown)
    assert (
        sorted(map(str, OutboxMessage.objects.filter(dead_at=None).values_list("id", flat=True)))
        == shown
    )
    eve.post(ACT, act="replay", shown=[other])
    assert OutboxMessage.objects.get(id=other).dead_at is not None


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"act": "replay"}, "Nothing was done: choose messages first"),
        ({"act": "nothing", "id": [NOWHERE]}, "Nothing was done: choose messages first"),
        ({"id": [NOWHERE]}, "Nothing was done: choose messages first"),
        ({"act": "replay", "id": ["7"]}, "&#x27;7&#x27; is no id of a durable message"),
        (
            {"act": "replay", "id": [NOWHERE[:-4] + f"{number:04x}" for number in range(MOST + 1)]},
            "these are more than",
        ),
    ],
)
def test_form_that_asks_for_nothing_does_nothing(
    data: dict[str, Any], told: str, visitor: New
) -> None:
    id_ = dead()
    response = visitor().post(ACT, **data)
    assert told in text_of(response)
    assert OutboxMessage.objects.get(id=id_).dead_at is not None


def test_form_without_a_token_is_refused(visitor: New) -> None:
    id_ = dead()
    eve = visitor(checks=True)
    response = eve.client.post(admin_url(ACT), {"act": "replay", "id": id_})
    assert response.status_code == 403
    assert OutboxMessage.objects.get(id=id_).dead_at is not None


def test_way_back_leads_to_the_list_and_nowhere_else(visitor: New) -> None:
    eve = visitor()
    for back in ("https://elsewhere.example/", "//elsewhere.example", "?state=dead&using=default"):
        response = eve.client.post(admin_url(ACT), {"back": back})
        assert response["Location"].startswith(f"{admin_url('outboxmessage_changelist')}?")
        assert "elsewhere.example" not in response["Location"].partition("?")[0]


def test_messages_of_all_databases_are_acted_on(
    visitor: New, configure: Callable[..., None]
) -> None:
    configure(OUTBOX={"DATABASES": ["default", "other"]})
    ids = [dead(), dead(using="other")]
    assert "2 messages were replayed." in text_of(visitor().act("replay", *ids))
