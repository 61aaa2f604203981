"""A `TestCase` without eager mode: Django's own tools see our hooks."""

import pytest
from django.db import transaction
from pytest_django import DjangoCaptureOnCommitCallbacks

from tests.support.numbers import Numbers
from tests.support.rollbacks import Stop, roll_back

pytestmark = pytest.mark.django_db


def test_nothing_leaves_by_itself(numbers: Numbers) -> None:
    with transaction.atomic():
        numbers.send(1)
    assert numbers.published == []


def test_captured_callbacks_publish_when_they_are_executed(
    numbers: Numbers, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        numbers.send(1)
        assert numbers.published == []
    assert numbers.published == [1]


def test_each_send_is_one_captured_callback(
    numbers: Numbers, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks() as callbacks:
        numbers.send(1, 2)
    assert len(callbacks) == 2
    assert numbers.published == []


def test_send_before_the_capture_is_not_captured(
    numbers: Numbers, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    numbers.send(1)
    with django_capture_on_commit_callbacks(execute=True) as callbacks:
        numbers.send(2)
    assert len(callbacks) == 1
    assert numbers.published == [2]


def test_rolled_back_send_is_not_captured(
    numbers: Numbers, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True) as callbacks:
        with pytest.raises(Stop), transaction.atomic():
            numbers.send(1)
            roll_back()
        numbers.send(2)
    assert len(callbacks) == 1
    assert numbers.published == [2]
