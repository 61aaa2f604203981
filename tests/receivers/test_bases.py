"""`base=`: the project's own classes are allowed, those that look at arguments are not."""

from typing import Any

import pytest
from celery import Task
from celery.contrib.abortable import AbortableTask
from django.dispatch import Signal

from deferred_signals import InvalidReceiver
from deferred_signals.receivers.given import options_of
from tests.support.connected import Connected


def made(name: str, module: str, base: Any = Task, **body: Any) -> Any:
    """Make a class as a library has it."""
    return type(name, (base,), {"__module__": module, "abstract": True, **body})


@pytest.mark.parametrize(
    ("base", "instead"),
    [
        (made("Batches", "celery_batches"), "chunk_size="),
        (made("QueueOnce", "celery_once.tasks"), "coalesce="),
        (made("Singleton", "celery_singleton.singleton"), "coalesce="),
        (made("VendoredOnce", "shop.vendored", made("QueueOnce", "shop.vendored")), "coalesce="),
        (made("Own", "shop.tasks", made("QueueOnce", "celery_once.tasks")), "coalesce="),
        (made("Other", "celery_singleton.other"), "coalesce="),
        (made("Names", "shop.tasks", __call__=lambda self, order_id: None), r"\(self, \*args"),
    ],
)
def test_base_that_looks_at_arguments_is_refused_with_what_to_use(base: Any, instead: str) -> None:
    with pytest.raises(InvalidReceiver, match=f"base=.*Remove base=; .*{instead}"):
        options_of({"base": base})


def passes_on(self: Any, *args: Any, **kwargs: Any) -> Any:
    """Do something around a run."""
    return self.run(*args, **kwargs)


@pytest.mark.parametrize(
    "base",
    [
        Task,
        AbortableTask,
        made("Own", "shop.tasks"),
        made("Once", "shop.once.batches"),
        made("PassesOn", "shop.tasks", __call__=passes_on),
        made("Reports", "shop.tasks", on_failure=lambda self, *args: None),
    ],
)
def test_other_base_is_accepted(base: Any, signal: Signal, defer: Connected) -> None:
    assert options_of({"base": base}).base is base
