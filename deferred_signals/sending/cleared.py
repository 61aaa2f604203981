"""Which keys an m2m ``clear()`` removes: looked up before, since afterwards nobody can tell.

Django sends ``pre_clear`` and ``post_clear`` without keys. They are found by one query, noted, and told
with ``post_clear``. Relations of another make than Django's may keep them in other ways: what is not
found is unknown, and ``pk_set`` stays None, as it was sent.
"""

from __future__ import annotations

import logging
import weakref
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models import ForeignKey, Manager, ManyToManyField, Model, Q

from deferred_signals.support.telling import is_interruption

if TYPE_CHECKING:
    from collections.abc import Hashable

__all__ = ["note_cleared", "with_cleared"]

logger = logging.getLogger("deferred_signals")

Kwargs = dict[str, Any]


class _Note(NamedTuple):
    """The keys that a clear removes.

    Attributes:
        instance: whose relation is cleared; held weakly, since a clear may fail halfway.
        keys: None where they were not found.
        wanted: how often each receiver is still to be told.
    """

    instance: weakref.ref[Model]
    keys: frozenset[Any] | None
    wanted: Counter[str]


#: Kept off the instance, whose attributes are the project's to copy, to compare and to pickle; so by
#: the identity of the instance, which need not be hashable, and of the relation.
_notes: dict[Hashable, _Note] = {}


def note_cleared(receiver: str, through: Any, kwargs: Kwargs) -> None:
    """At ``pre_clear``: note which keys are about to go, by one query. Never fails the clear.

    Arguments:
        receiver: the name of the receiver that is to be told.
        through: the sender of the signal.
        kwargs: its other arguments.
    """
    instance = kwargs.get("instance")
    if not isinstance(instance, Model):
        return
    place = _place(through, kwargs)
    note = _notes.get(place)
    # A receiver that was not told yet is connected twice, or an earlier clear has failed.
    if note is None or note.wanted[receiver]:
        wanted = Counter[str]() if note is None else note.wanted
        forget = weakref.ref(instance, lambda _: _notes.pop(place, None))
        note = _notes[place] = _Note(forget, _found(instance, through, kwargs), wanted)
    note.wanted[receiver] += 1


def with_cleared(receiver: str, through: Any, kwargs: Kwargs) -> Kwargs:
    """At ``post_clear``: the kwargs, with the keys that were noted for the receiver."""
    place = _place(through, kwargs)
    note = _notes.get(place)
    if note is None or not note.wanted[receiver]:
        return kwargs
    note.wanted[receiver] -= 1
    if not note.wanted.total():
        del _notes[place]
    return kwargs if note.keys is None else {**kwargs, "pk_set": set(note.keys)}


def _place(through: Any, kwargs: Kwargs) -> Hashable:
    objects = (kwargs.get("instance"), through, kwargs.get("model"))
    return (*map(id, objects), bool(kwargs.get("reverse")), str(kwargs.get("using")))


def _found(instance: Model, through: Any, kwargs: Kwargs) -> frozenset[Any] | None:
    try:
        model, using, reverse = kwargs["model"], kwargs["using"], kwargs["reverse"]
        rows = through._default_manager.using(using)
        relations = _relations(type(instance), through, model, reverse=reverse)
        if relations:
            (relation,) = relations  # of several relations the signal does not tell which it is
            keys = _keys_of(instance, rows, relation, model._default_manager.using(using))
        else:
            keys = _keys_of_foreign(instance, rows, model)
        return frozenset(keys) - {None}
    except Exception as error:
        if is_interruption(error):
            raise
        # The connection may be broken: then the clear itself will say so.
        logger.debug("The keys that a clear of %r removes are not known", through, exc_info=True)
        return None


class _Relation(NamedTuple):
    """A ``ManyToManyField``, from the end whose rows are cleared.

    Attributes:
        source: name of the through model's field that refers to the instance.
        target: name of the one that refers to the other end.
        symmetrical: rows may have been written from the other end.
    """

    source: str
    target: str
    symmetrical: bool


def _relations(
    kind: type[Model], through: Any, model: type[Model], *, reverse: bool
) -> set[_Relation]:
    owner, other = (model, kind) if reverse else (kind, model)
    found = set()
    fields: Any = owner._meta.many_to_many  # packages add relations of their own make
    for field in fields:
        remote = field.remote_field
        if (
            isinstance(field, ManyToManyField)
            and remote.through is through
            and issubclass(other, remote.model._meta.concrete_model)
        ):
            names: tuple[str, str] = field.m2m_field_name(), field.m2m_reverse_field_name()
            source, target = reversed(names) if reverse else names
            found.add(_Relation(source, target, remote.symmetrical))
    return found


def _keys_of(instance: Model, rows: Any, relation: _Relation, others: Any) -> set[Any]:
    """The keys that Django removes: of what the default manager of the other end shows."""
    source, target, symmetrical = relation
    field = rows.model._meta.get_field(source)
    own = field.target_field.to_python(field.get_foreign_related_value(instance)[0])
    shown = (
        Q() if type(others.model._default_manager) is Manager else Q(**{f"{target}__in": others})
    )
    if not symmetrical:
        return set(rows.filter(shown, **{source: own}).values_list(target, flat=True))
    mirrored = Q(**{f"{source}__in": others}) if shown else Q()
    either = (Q(**{source: own}) & shown) | (Q(**{target: own}) & mirrored)
    pairs = rows.filter(either).values_list(source, target)
    return {other if one == own else one for one, other in pairs}


def _keys_of_foreign(instance: Model, rows: Any, model: type[Model]) -> set[Any]:
    """The keys of a relation that is no ``ManyToManyField``, like tags that any model may have.

    Raises:
        ValueError: the through model does not refer to both ends in one way each.
    """
    keys = [item for item in rows.model._meta.concrete_fields if isinstance(item, ForeignKey)]
    (target,) = (item for item in keys if issubclass(model, item.related_model))
    sources = [
        {item.name: instance}
        for item in keys
        if item is not target and issubclass(type(instance), item.related_model)
    ]
    for item in rows.model._meta.private_fields:
        if hasattr(item, "ct_field") and hasattr(item, "fk_field"):  # a GenericForeignKey
            types = rows.model._meta.get_field(item.ct_field).related_model.objects
            kind = types.db_manager(rows.db).get_for_model(
                instance, for_concrete_model=item.for_concrete_model
            )
            sources.append({item.ct_field: kind, item.fk_field: instance.pk})
    (source,) = sources
    return set(rows.filter(**source).values_list(target.name, flat=True))
