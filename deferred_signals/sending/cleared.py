"""Find out which keys a many-to-many ``clear()`` removes, before it removes them.

Django sends ``pre_clear`` and ``post_clear`` without keys. So at ``pre_clear`` one query asks for the
keys, and the receiver gets them with ``post_clear``. Relations that are not Django's own may keep
their keys in other ways. Where the keys are not found, ``pk_set`` stays None, as Django sent it.
"""

from __future__ import annotations

import logging
import weakref
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models import ForeignKey, Manager, ManyToManyField, Model, Q

from deferred_signals.support.records import about
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
        wanted: by receiver, how often it is still to get the keys.
    """

    instance: weakref.ref[Model]
    keys: frozenset[Any] | None
    wanted: Counter[str]


#: The notes, by the identities of the instance, which need not be hashable, and of the relation. They
#: are not kept on the instance, whose attributes the project may copy, compare and pickle.
_notes: dict[Hashable, _Note] = {}


def note_cleared(receiver: str, through: Any, kwargs: Kwargs) -> None:
    """Note at ``pre_clear`` which keys are about to go, by one query; the clear never fails for it.

    Arguments:
        receiver: the name of the receiver that is to get the keys.
        through: the sender of the signal.
        kwargs: its other arguments.
    """
    instance = kwargs.get("instance")
    if not isinstance(instance, Model):
        return
    place = _place(through, kwargs)
    note = _notes.get(place)
    # A receiver that still waits for its keys is connected twice, or an earlier clear has failed.
    if note is None or note.wanted[receiver]:
        wanted = Counter[str]() if note is None else note.wanted
        forget = weakref.ref(instance, lambda _: _notes.pop(place, None))
        note = _notes[place] = _Note(forget, _found(instance, through, kwargs), wanted)
    note.wanted[receiver] += 1


def with_cleared(receiver: str, through: Any, kwargs: Kwargs) -> Kwargs:
    """Return the kwargs of a ``post_clear``, with the keys that were noted for the receiver."""
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
        # Where the connection is broken, the clear itself fails next and tells the project.
        logger.debug(
            "The keys that a clear of relation %r removes could not be looked up; pk_set stays None",
            through,
            exc_info=True,
            extra=about("keys_unknown"),
        )
        return None


class _Relation(NamedTuple):
    """A ``ManyToManyField``, seen from the end that is cleared.

    Attributes:
        source: name of the through model's field that refers to the instance.
        target: name of the through model's field that refers to the other end.
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
    fields: Any = owner._meta.many_to_many  # packages add relations of their own kinds
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
    """Ask for the keys that Django removes: of the rows that the other end's default manager shows."""
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
    """Ask for the keys of a relation that is no ``ManyToManyField``, like tags that any model may have.

    Raises:
        ValueError: the through model does not refer to each of both ends by exactly one field.
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
