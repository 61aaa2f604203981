"""An attribute that is computed once, without a lock.

Until Python 3.12, `functools.cached_property` holds one lock for all instances while it computes. If
another thread forks at that moment, the child inherits the lock, and nothing ever releases it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["cached_property"]

Value = TypeVar("Value")


class cached_property(Generic[Value]):  # noqa: N801 - used like a function, as `property` is
    """Compute an attribute at its first use. Threads that use it at the same moment may each compute it.

    >>> class Parcel:
    ...     @cached_property
    ...     def weight(self):
    ...         print("weighing")
    ...         return 3
    >>> parcel = Parcel()
    >>> parcel.weight, parcel.weight
    weighing
    (3, 3)
    """

    def __init__(self, compute: Callable[[Any], Value]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__
        self._name = compute.__name__

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self, instance: object, owner: type) -> Value: ...

    def __get__(self, instance: object | None, owner: type) -> Self | Value:
        if instance is None:
            return self
        value: Value
        value = instance.__dict__[self._name] = self._compute(instance)
        return value
