"""Receivers for checks to read, never run. Each reads an attribute in another way."""

# ruff: noqa: SLF001, T201

from __future__ import annotations

import functools
import operator
from typing import TYPE_CHECKING, Any, cast

from tests.app.models import Order

if TYPE_CHECKING:
    from collections.abc import Callable


def plain(sender: Any, instance: Any, **kwargs: Any) -> None:
    print(instance._old)


def of_kwargs(sender: Any, **kwargs: Any) -> None:
    print(kwargs["instance"]._old)


def of_kwargs_by_get(sender: Any, **extra: Any) -> None:
    print(extra.get("instance")._old)  # type: ignore[union-attr]  # one does write so


def of_popped_kwarg(**kwargs: Any) -> None:
    instance = kwargs.pop("instance")
    print(instance._old)


def by_alias(sender: Any, instance: Any, **kwargs: Any) -> None:
    order = instance
    print(order._old)


def by_alias_of_kwargs(sender: Any, **kwargs: Any) -> None:
    order = kwargs["instance"]
    print(order._old)


def by_alias_of_an_alias(sender: Any, **kwargs: Any) -> None:
    values = kwargs
    order = cast("Any", values["instance"])
    same = order
    print(same._old)


def by_annotated_alias(sender: Any, instance: Any, **kwargs: Any) -> None:
    order: Order = instance
    print(order._old)  # type: ignore[attr-defined]  # other code sets it


def by_unpacking(sender: Any, **kwargs: Any) -> None:
    order, created = kwargs["instance"], kwargs["created"]
    print(order._old, created)


def by_walrus(sender: Any, instance: Any, **kwargs: Any) -> None:
    if (order := instance) is not None:
        print(order._old)


def by_condition(sender: Any, instance: Any = None, **kwargs: Any) -> None:
    order = instance if instance is not None else kwargs["order"]
    print(order._old)


def by_or(sender: Any, instance: Any = None, **kwargs: Any) -> None:
    print((instance or kwargs["order"])._old)


def in_one_branch(sender: Any, instance: Any, created: bool, **kwargs: Any) -> None:
    order = None
    if created:
        order = instance
    if order:
        print(order._old)


def by_getattr(sender: Any, instance: Any, **kwargs: Any) -> None:
    print(getattr(instance, "_old", None))


def by_hasattr(sender: Any, instance: Any, **kwargs: Any) -> None:
    if hasattr(instance, "_old"):
        print("known")


def by_dict(sender: Any, instance: Any, **kwargs: Any) -> None:
    print(instance.__dict__["_old"])


def by_get_of_dict(sender: Any, instance: Any, **kwargs: Any) -> None:
    print(instance.__dict__.get("_old"))


def by_vars(sender: Any, instance: Any, **kwargs: Any) -> None:
    print(vars(instance)["_old"])


def inside_vars(sender: Any, instance: Any, **kwargs: Any) -> None:
    print("_old" in vars(instance))


def by_attrgetter(sender: Any, instance: Any, **kwargs: Any) -> None:
    print(operator.attrgetter("_old")(instance))


def by_match(sender: Any, instance: Any, **kwargs: Any) -> None:
    match instance:
        case Order(_old=old):  # type: ignore[misc]  # other code sets it
            print(old)


def by_f_string(sender: Any, instance: Any, **kwargs: Any) -> None:
    print(f"was {instance._old!r:>{instance.pk}}")


def by_augmented_assignment(sender: Any, instance: Any, **kwargs: Any) -> None:
    instance._old += 1
    instance.save()


def before_it_is_written(sender: Any, instance: Any, **kwargs: Any) -> None:
    print(instance._old)
    instance._old = instance.status


def as_a_guard(sender: Any, instance: Any, **kwargs: Any) -> None:
    if not hasattr(instance, "_old"):
        return
    print(instance.status)


async def in_a_coroutine(sender: Any, instance: Any, **kwargs: Any) -> None:
    print(instance._old)
    async with kwargs["lock"] as lock:
        print(lock)


def keyword_only(*, sender: Any, instance: Any, **kwargs: Any) -> None:
    print(instance._old)


def in_a_comprehension(sender: Any, instance: Any, **kwargs: Any) -> None:
    print([number for number in range(3) if number != instance._old])


def in_a_loop(sender: Any, instance: Any, **kwargs: Any) -> None:
    for order in (instance,):
        print(order._old)


def in_a_closure(sender: Any, instance: Any, **kwargs: Any) -> None:
    def tell() -> None:
        print(order._old)

    order = instance
    kwargs["on_commit"](tell)


def in_a_lambda(sender: Any, instance: Any, **kwargs: Any) -> None:
    kwargs["on_commit"](lambda: print(instance._old))


def in_a_helper_inside(sender: Any, instance: Any, **kwargs: Any) -> None:
    def tell(order: Any) -> None:
        print(order._old)

    tell(instance)


def _tell(order: Any, *, created: bool = False) -> None:
    print(order._old, created)


def in_a_helper(sender: Any, instance: Any, **kwargs: Any) -> None:
    _tell(instance)


def in_a_helper_by_keyword(sender: Any, instance: Any, **kwargs: Any) -> None:
    _tell(created=True, order=instance)


def in_a_helper_that_gets_all(sender: Any, **kwargs: Any) -> None:
    plain(sender, **kwargs)


def _order_of(kwargs: dict[str, Any]) -> Any:
    return kwargs["instance"]


def by_what_a_helper_returns(sender: Any, **kwargs: Any) -> None:
    print(_order_of(kwargs)._old)


async def _tell_async(order: Any) -> None:
    print(order._old)


async def in_a_helper_that_is_awaited(sender: Any, instance: Any, **kwargs: Any) -> None:
    await _tell_async(instance)


def in_a_try(sender: Any, instance: Any, **kwargs: Any) -> None:
    try:
        old = instance._old
    except AttributeError as error:
        old = error
    finally:
        print("read")
    print(old)


def passing_on(function: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        return function(*args, **kwargs)

    return wrapper


@passing_on
@passing_on
def wrapped(sender: Any, instance: Any, **kwargs: Any) -> None:
    print(instance._old)


def looking(function: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        if not kwargs["instance"]._old:
            function(*args, **kwargs)

    return wrapper


@looking
def wrapped_by_what_looks(sender: Any, instance: Any, **kwargs: Any) -> None:
    print(instance.status)


class Handler:
    """Receivers of all kinds that are not plain functions."""

    _own = "of the handler"

    def method(self, sender: Any, instance: Any, **kwargs: Any) -> None:
        print(self._own, instance._old)

    def through_another(self, sender: Any, instance: Any, **kwargs: Any) -> None:
        self._tell(instance)

    def _tell(self, order: Any) -> None:
        print(self._own, order._old)

    @classmethod
    def of_class(cls, sender: Any, instance: Any, **kwargs: Any) -> None:
        print(cls._own, instance._old)

    @staticmethod
    def static(sender: Any, instance: Any, **kwargs: Any) -> None:
        print(instance._old)

    def __call__(self, sender: Any, instance: Any, **kwargs: Any) -> None:
        print(instance._old)


handler = Handler()
of_partial = functools.partial(
    lambda prefix, sender, instance, **kwargs: print(prefix, instance._old), "prefix"
)
first, second = (lambda sender, instance, **kwargs: print(instance.pk)), (lambda sender, instance, **kwargs: print(instance._old))  # fmt: skip

ALL = [
    plain,
    of_kwargs,
    of_kwargs_by_get,
    of_popped_kwarg,
    by_alias,
    by_alias_of_kwargs,
    by_alias_of_an_alias,
    by_annotated_alias,
    by_unpacking,
    by_walrus,
    by_condition,
    by_or,
    in_one_branch,
    by_getattr,
    by_hasattr,
    by_dict,
    by_get_of_dict,
    by_vars,
    inside_vars,
    by_attrgetter,
    by_match,
    by_f_string,
    by_augmented_assignment,
    before_it_is_written,
    as_a_guard,
    in_a_coroutine,
    keyword_only,
    in_a_comprehension,
    in_a_loop,
    in_a_closure,
    in_a_lambda,
    in_a_helper_inside,
    in_a_helper,
    in_a_helper_by_keyword,
    in_a_helper_that_gets_all,
    by_what_a_helper_returns,
    in_a_helper_that_is_awaited,
    in_a_try,
    wrapped,
    wrapped_by_what_looks,
    handler.method,
    handler.through_another,
    Handler.of_class,
    Handler.static,
    handler,
    of_partial,
    second,
]
