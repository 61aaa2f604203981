"""Coroutines, views, and requests that are one transaction."""

from collections.abc import Iterator

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connections, transaction
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client
from django.urls import path

from tests.support.connected import Connected, deferred
from tests.support.numbers import Numbers

pytestmark = pytest.mark.django_db(transaction=True)

requested = Signal()
"""Sent by the views below, with `number`."""

published_meanwhile: list[list[int]] = []
numbers_of_views: list[Numbers] = []


def look() -> None:
    published_meanwhile.append(numbers_of_views[0].published)


async def async_view(request: HttpRequest) -> HttpResponse:
    await requested.asend(None, number=1)
    return HttpResponse("sent")


def atomic_view(request: HttpRequest) -> HttpResponse:
    requested.send(None, number=2)
    look()
    return HttpResponse("sent")


def failing_view(request: HttpRequest) -> HttpResponse:
    requested.send(None, number=3)
    raise LookupError


async def async_view_with_a_block(request: HttpRequest) -> HttpResponse:
    @sync_to_async
    def work() -> None:
        with transaction.atomic():
            async_to_sync(requested.asend)(None, number=4)
            look()

    await work()
    return HttpResponse("sent")


urlpatterns = [
    path("async/", async_view),
    path("atomic/", atomic_view),
    path("failing/", failing_view),
    path("async-block/", async_view_with_a_block),
]


@pytest.fixture
def views(signal: Signal, numbers: Numbers, defer: Connected) -> Iterator[Numbers]:
    """Connect the receiver of the signal that the views send."""
    defer(requested)(numbers.receive)
    numbers_of_views.append(numbers)
    yield numbers
    numbers_of_views.clear()
    published_meanwhile.clear()


@pytest.fixture
def atomic_requests() -> Iterator[None]:
    """Make each request one transaction."""
    settings = connections["default"].settings_dict
    settings["ATOMIC_REQUESTS"] = True
    yield
    settings["ATOMIC_REQUESTS"] = False


@pytest.mark.urls(__name__)
def test_asend_of_an_async_view_is_published(views: Numbers) -> None:
    async_to_sync(AsyncClient().get)("/async/")
    assert views.published == [1]


@pytest.mark.urls(__name__)
def test_asend_inside_a_block_of_the_sync_thread_waits_for_its_commit(views: Numbers) -> None:
    async_to_sync(AsyncClient().get)("/async-block/")
    assert published_meanwhile == [[]]
    assert views.published == [4]


@pytest.mark.urls(__name__)
@pytest.mark.usefixtures("atomic_requests")
def test_message_of_an_atomic_request_leaves_when_the_request_is_committed(
    views: Numbers, client: Client
) -> None:
    client.get("/atomic/")
    assert published_meanwhile == [[]]
    assert views.published == [2]


@pytest.mark.urls(__name__)
@pytest.mark.usefixtures("atomic_requests")
def test_message_of_an_atomic_request_that_failed_is_never_published(
    views: Numbers, client: Client
) -> None:
    with pytest.raises(LookupError):
        client.get("/failing/")
    assert views.published == []


@pytest.mark.urls(__name__)
def test_asend_under_a_sync_handler_is_published(views: Numbers, client: Client) -> None:
    client.get("/async/")
    assert views.published == [1]


def test_send_in_a_coroutine_says_what_to_use(numbers: Numbers) -> None:
    async def send() -> None:
        numbers.send(1)

    with pytest.raises(SynchronousOnlyOperation, match="asend"):
        async_to_sync(send)()
    assert numbers.published == []


def test_asend_robust_gives_the_deferred_calls(signal: Signal, numbers: Numbers) -> None:
    assert len(deferred(async_to_sync(signal.asend_robust)(None, number=1))) == 1
    assert numbers.published == [1]


@pytest.mark.usefixtures("eager")
def test_eager_receivers_of_an_asend_run(signal: Signal, defer: Connected) -> None:
    ran = []

    @defer(signal)
    def receive(sender: object, **kwargs: object) -> None:
        ran.append("sync")

    @defer(signal)
    async def areceive(sender: object, **kwargs: object) -> None:
        ran.append("async")

    async_to_sync(signal.asend)(None)
    assert sorted(ran) == ["async", "sync"]
