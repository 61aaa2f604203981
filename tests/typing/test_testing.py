"""The testing tools as type checkers see them: checked by mypy and pyright, never run by pytest."""

from datetime import timedelta
from typing import Any, assert_type

import pytest
from django.dispatch import Signal
from django.test import TestCase

from deferred_signals import receiver
from deferred_signals.testing import (
    Call,
    Collected,
    DeferredSignalsMixin,
    Ran,
    all_deferred,
    assert_deferred,
    fake_crash,
    inline,
    manual,
    refute_deferred,
    run_deferred,
    run_outbox,
    settings,
)

order_placed = Signal()


@receiver(order_placed, deferred=True, name="tests.typing.charge")
def charge(sender: object, order_id: int, **kwargs: Any) -> None: ...


def only_for_type_checkers() -> None:
    """Show code to type checkers; nobody calls it."""
    with manual(strict=True, leaks="fail") as deferred:
        assert_type(deferred, Collected)
        assert_type(deferred.assert_deferred(charge, order_id=7, sender=None), Call)
        assert_type(deferred.all_deferred(), list[Call])
        assert_type(deferred.all_deferred(charge, durable=True), list[Call])
        assert_type(deferred.run_deferred(charge, waits=[60, timedelta(hours=1)]), list[Ran])
        assert_type(deferred.lose("tests.typing.charge", order_id=7), list[Call])
        deferred.postpone(60, charge)
        deferred.assert_deferred(7)  # type: ignore[arg-type]
        deferred.assert_deferred(receiver=charge)  # type: ignore[call-arg]
        deferred.run_deferred(wait=[60])  # type: ignore[call-arg]
        deferred.run_deferred(waits=60)  # type: ignore[arg-type]
        deferred.postpone("1 h")  # type: ignore[arg-type]
        for ran in deferred.run_deferred():
            assert_type(ran.outcome, str)
            assert_type(ran.waits, list[float])

    assert_type(assert_deferred(charge), Call)
    assert_type(all_deferred(charge), list[Call])
    assert_type(run_deferred(), list[Ran])
    assert_type(run_outbox(charge, using="other", waits=[60], raises=False), list[Ran])
    run_outbox(receiver=charge)  # type: ignore[call-arg]
    refute_deferred(charge, order_id=7)
    refute_deferred()  # type: ignore[call-arg]

    manual(leaks="no")  # type: ignore[arg-type]
    manual(strick=True)  # type: ignore[call-arg]
    inline(leaks="fail")  # type: ignore[call-arg]
    manual("inline")  # type: ignore[arg-type, call-arg]
    fake_crash()  # type: ignore[call-arg]
    fake_crash(at="claim")
    fake_crash(at="encode")  # type: ignore[arg-type]
    settings({"EAGER": True})  # type: ignore[call-arg]

    with inline() as nothing:
        assert_type(nothing, None)

    with fake_crash(at="publish"):
        pass
    # The block may end early, so what follows it is reached.
    assert_type(charge(None, order_id=7), None)


@manual()
def decorated(number: int) -> str:
    return str(number)


@inline(strict=True)
async def coroutine(number: int) -> str:
    return str(number)


@manual()
class Decorated(TestCase):
    def number(self) -> int:
        return 7


def decorated_things_keep_their_types() -> None:
    assert_type(decorated(7), str)
    decorated("seven")  # type: ignore[arg-type]

    async def awaits() -> None:
        assert_type(await coroutine(7), str)
        await coroutine("seven")  # type: ignore[arg-type]

    assert_type(Decorated().number(), int)


class Mixed(DeferredSignalsMixin, TestCase):
    deferred_mode = "inline"
    deferred_leaks = "fail"

    def number(self) -> int:
        assert_type(self.deferred, Collected)
        return len(self.deferred.all_deferred())


class Misspelt(DeferredSignalsMixin, TestCase):
    deferred_mode = "eager"  # type: ignore[assignment]


def test_wrong_uses_are_refused_when_they_run_too() -> None:
    with pytest.raises(TypeError):
        manual("inline")  # type: ignore[arg-type, call-arg]
