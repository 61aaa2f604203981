"""Keys that an m2m ``clear()`` removes, of relations of every make; and that no clear fails by it."""

import copy
import gc
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models.signals import m2m_changed
from pytest_django import DjangoAssertNumQueries

from deferred_signals import muted
from deferred_signals.sending import cleared
from tests.app.models import Order
from tests.support import relations
from tests.support.connected import Connected
from tests.support.lifecycle import Lifecycle
from tests.support.recorder import Recorder, listen
from tests.support.relations import tables  # noqa: F401 - a fixture

# The models are in no app that type checkers would know.
Liking: Any = relations.Liking
Membership: Any = relations.Membership
Need: Any = relations.Need
Person: Any = relations.Person
Rating: Any = relations.Rating
Skill: Any = relations.Skill
Tagging: Any = relations.Tagging
Team: Any = relations.Team

pytestmark = pytest.mark.usefixtures("transactional_db", "tables", "eager")


@pytest.fixture
def cleared_keys(defer: Connected) -> Callable[[], Any]:
    """Return the keys that deferred receivers got with the one clear since the last call."""
    got = listen(defer, m2m_changed, actions=("post_clear",), name="tests.cleared")

    def cleared_keys() -> Any:
        (call,) = got.calls
        got.clear()
        return call["pk_set"]

    return cleared_keys


def people(count: int) -> list[Any]:
    return [Person.objects.create() for _ in range(count)]


def skills(*codes: str, archived: bool = False) -> list[Any]:
    return [Skill.objects.create(code=code, archived=archived) for code in codes]


def test_keys_of_a_symmetrical_relation_are_told_from_both_ends(
    cleared_keys: Callable[[], Any],
) -> None:
    ada, bob, eve, _ = people(4)
    ada.friends.add(bob)
    eve.friends.add(ada)
    bob.friends.add(eve)
    ada.friends.clear()
    assert cleared_keys() == {bob.pk, eve.pk}


def test_rows_of_a_symmetrical_relation_without_a_mirror_are_told(
    cleared_keys: Callable[[], Any],
) -> None:
    ada, bob, eve = people(3)
    through = Person.friends.through
    through.objects.create(from_person=bob, to_person=ada)
    through.objects.create(from_person=ada, to_person=ada)
    through.objects.create(from_person=bob, to_person=eve)
    ada.friends.clear()
    assert through.objects.count() == 1
    assert cleared_keys() == {ada.pk, bob.pk}


def test_keys_of_a_relation_to_the_same_model_are_told_for_the_end_that_was_cleared(
    cleared_keys: Callable[[], Any],
) -> None:
    ada, bob, eve = people(3)
    ada.follows.add(bob)
    eve.follows.add(ada)
    ada.follows.clear()
    assert cleared_keys() == {bob.pk}
    ada.followers.clear()
    assert cleared_keys() == {eve.pk}


def test_keys_are_told_by_the_fields_that_the_relation_names(
    cleared_keys: Callable[[], Any],
) -> None:
    team, (ada, bob) = Team.objects.create(), people(2)
    Membership.objects.create(team=team, member=ada, inviter=bob)
    ada.teams.clear()
    assert cleared_keys() == {team.pk}
    Membership.objects.create(team=team, member=ada, inviter=bob)
    team.members.clear()
    assert cleared_keys() == {ada.pk}


def test_keys_are_those_by_which_the_relation_refers(cleared_keys: Callable[[], Any]) -> None:
    team, (sewing, _) = Team.objects.create(), skills("sewing", "cooking")
    Need.objects.create(team=team, skill=sewing)
    team.needs.clear()
    assert cleared_keys() == {"sewing"}
    Need.objects.create(team=team, skill=sewing)
    sewing.team_set.clear()
    assert cleared_keys() == {team.pk}


def test_rows_that_the_default_manager_hides_are_not_removed_and_not_told(
    cleared_keys: Callable[[], Any],
) -> None:
    (ada,), (sewing,), (old,) = people(1), skills("sewing"), skills("old", archived=True)
    ada.skills.add(sewing, old)
    ada.skills.clear()
    assert Person.skills.through.objects.count() == 1
    assert cleared_keys() == {sewing.pk}


def is_noted(instance: Any) -> bool:
    """Whether anything is kept of an instance."""
    notes = cleared._notes.values()  # noqa: SLF001 - nothing else shows what is kept
    return any(note.instance() is instance for note in notes)


def send_clear(through: Any, instance: Any, delete: Callable[[], object] = bool) -> None:
    """Clear as managers of other makes do."""
    sent: dict[str, Any] = {
        "instance": instance,
        "reverse": False,
        "model": Skill,
        "pk_set": None,
        "using": "default",
    }
    m2m_changed.send(through, action="pre_clear", **sent)
    delete()
    m2m_changed.send(through, action="post_clear", **sent)


def test_keys_of_a_generic_relation_are_told(cleared_keys: Callable[[], Any]) -> None:
    (ada, bob), team, (sewing, cooking) = people(2), Team.objects.create(), skills("a", "b")
    Tagging.objects.create(content_object=ada, skill=sewing)
    Tagging.objects.create(content_object=bob, skill=cooking)
    Tagging.objects.create(content_object=team, skill=cooking)
    send_clear(Tagging, ada, Tagging.objects.all().delete)
    assert cleared_keys() == {sewing.pk}


def test_keys_of_a_relation_without_a_field_are_told(cleared_keys: Callable[[], Any]) -> None:
    (ada, bob), (sewing, cooking) = people(2), skills("a", "b")
    Liking.objects.create(person=ada, skill=sewing)
    Liking.objects.create(person=bob, skill=cooking)
    send_clear(Liking, ada, Liking.objects.all().delete)
    assert cleared_keys() == {sewing.pk}


class NoModel:
    """What some package sends the signal with."""


@pytest.mark.parametrize("through", [Rating, NoModel, Order])
def test_keys_that_cannot_be_found_are_unknown(
    through: type, cleared_keys: Callable[[], Any]
) -> None:
    (ada,) = people(1)
    send_clear(through, ada)
    assert cleared_keys() is None


@pytest.mark.parametrize("left_out", ["reverse", "model", "using", "pk_set"])
def test_sender_that_leaves_out_an_argument_is_served(
    left_out: str, cleared_keys: Callable[[], Any], lifecycle: Lifecycle
) -> None:
    (ada,) = people(1)
    sent: dict[str, Any] = {
        "instance": ada,
        "reverse": False,
        "model": Person,
        "pk_set": None,
        "using": "default",
    }
    del sent[left_out]
    for action in ("pre_clear", "post_clear"):
        m2m_changed.send(Person.friends.through, action=action, **sent)
    assert lifecycle.names == ["receiver_started", "receiver_succeeded"]


def test_send_without_an_action_defers_nothing(defer: Connected) -> None:
    got = listen(defer, m2m_changed)
    m2m_changed.send(Person.friends.through, instance=people(1)[0])
    assert got.calls == []


@pytest.mark.parametrize("excluded", ["model", "instance", "reverse", "using"])
def test_keys_are_told_whatever_else_is_left_out(excluded: str, defer: Connected) -> None:
    got = Recorder()
    defer(m2m_changed, actions=("post_clear",), exclude=(excluded,))(got)
    ada, bob = people(2)
    ada.friends.add(bob)
    ada.friends.clear()
    assert got["pk_set"] == {bob.pk}
    assert excluded not in got.calls[0]


def test_keys_are_told_to_capture_as_well(defer: Connected) -> None:
    got = listen(
        defer,
        m2m_changed,
        actions=("post_clear",),
        capture=lambda sender, pk_set, **kwargs: {"count": len(pk_set)},
    )
    ada, bob = people(2)
    ada.friends.add(bob)
    ada.friends.clear()
    assert got["count"] == 1


def test_receivers_share_one_query(
    defer: Connected, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    first = listen(defer, m2m_changed, actions=("post_clear",), exclude=("instance",))
    second = listen(defer, m2m_changed, actions=("post_clear",), exclude=("instance",))
    ada, bob = people(2)
    ada.follows.add(bob)
    with transaction.atomic(), django_assert_num_queries(2):  # the other one deletes
        ada.follows.clear()
    assert first["pk_set"] == second["pk_set"] == {bob.pk}
    assert not is_noted(ada)


def test_receiver_that_is_connected_twice_is_told_twice(defer: Connected) -> None:
    got = Recorder()
    defer(m2m_changed, actions=("post_clear",), name="tests.twice")(got)
    defer(m2m_changed, actions=("post_clear",), name="tests.twice", dispatch_uid="again")(got)
    ada, bob = people(2)
    ada.follows.add(bob)
    ada.follows.clear()
    assert [call["pk_set"] for call in got.calls] == [{bob.pk}, {bob.pk}]
    assert not is_noted(ada)


def test_clear_costs_nothing_where_the_receiver_does_not_want_it(
    defer: Connected, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    listen(defer, m2m_changed, when=lambda sender, **kwargs: False)
    (ada,) = people(1)
    with transaction.atomic(), django_assert_num_queries(1):
        ada.follows.clear()
    listen(defer, m2m_changed)
    with transaction.atomic(), muted(), django_assert_num_queries(1):
        ada.follows.clear()


def test_condition_is_asked_about_the_clear_itself(defer: Connected) -> None:
    asked = []

    def when(sender: object, action: str, **kwargs: object) -> bool:
        asked.append(action)
        return action == "post_clear"

    got = listen(defer, m2m_changed, when=when)
    ada, bob = people(2)
    ada.follows.add(bob)
    ada.follows.clear()
    assert got["pk_set"] == {bob.pk}
    assert set(asked) == {"post_add", "post_clear"}


def test_clear_that_failed_is_not_told_of_with_the_next(cleared_keys: Callable[[], Any]) -> None:
    ada, bob, eve = people(3)
    ada.follows.add(bob)

    def fail(action: str, **kwargs: object) -> None:
        if action == "pre_clear":
            raise LookupError

    m2m_changed.connect(fail)
    try:
        with pytest.raises(LookupError), transaction.atomic():
            ada.follows.clear()
    finally:
        m2m_changed.disconnect(fail)
    ada.follows.set([eve])
    ada.follows.clear()
    assert cleared_keys() == {eve.pk}


def test_instance_that_is_cleared_has_no_attributes_of_ours(defer: Connected) -> None:
    listen(defer, m2m_changed)
    (ada,) = people(1)
    before = set(vars(ada))

    def look(action: str, instance: Any, **kwargs: object) -> None:
        assert set(vars(instance)) == before
        fields = {name: value for name, value in vars(instance).items() if name != "_state"}
        assert Person(**fields) == instance
        assert pickle.loads(pickle.dumps(copy.copy(instance))) == instance  # noqa: S301 - our own

    m2m_changed.connect(look)
    try:
        ada.follows.clear()
    finally:
        m2m_changed.disconnect(look)
    assert set(vars(ada)) == before


def test_note_of_a_clear_that_failed_goes_with_its_instance(defer: Connected) -> None:
    listen(defer, m2m_changed)
    gc.collect()
    before = len(cleared._notes)  # noqa: SLF001 - nothing else shows what is kept
    (ada,) = people(1)
    m2m_changed.send(
        Person.friends.through,
        instance=ada,
        action="pre_clear",
        reverse=False,
        model=Person,
        pk_set=None,
        using="default",
    )
    assert len(cleared._notes) == before + 1  # noqa: SLF001 - as above
    del ada
    gc.collect()
    assert len(cleared._notes) == before  # noqa: SLF001 - as above


def test_query_that_fails_leaves_the_clear_alone(cleared_keys: Callable[[], Any]) -> None:
    ada, bob = people(2)
    ada.follows.add(bob)

    def fail_to_select(execute: Any, sql: str, params: Any, many: Any, context: Any) -> Any:
        if sql.startswith("SELECT"):
            raise DatabaseError("no")
        return execute(sql, params, many, context)

    with transaction.atomic(), connection.execute_wrapper(fail_to_select):
        ada.follows.clear()
    assert not ada.follows.exists()
    assert cleared_keys() is None
