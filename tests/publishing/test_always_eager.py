"""``task_always_eager``, Celery's switch for tests: wherever a project sets it, the next send knows."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery
from django.core.signals import setting_changed
from django.test import override_settings

from deferred_signals.publishing.celery_settings import always_eager
from deferred_signals.sending.endings import look_for_eager_mode
from tests.project.celery import app as project_app


class Unread:
    """A setting that has nothing to do with this: Django warns of some when they are read."""

    def __get__(self, *_: object) -> None:
        pytest.fail("All settings were read.")


class Switched:
    """Hold settings of Celery, as a class."""

    task_always_eager = True
    unrelated = Unread()


@pytest.fixture
def app() -> Iterator[Celery]:
    """Make a current app that is configured by a namespace of Django's settings."""
    app = Celery("tests.switch", set_as_current=False)
    app.config_from_object("django.conf:settings", namespace="JOBS")
    app.set_current()
    assert not always_eager()
    yield app
    project_app.set_current()
    app.close()
    look_for_eager_mode()


def set_on_conf(app: Celery, value: object) -> None:
    app.conf.task_always_eager = value


def set_by_key(app: Any, value: object) -> None:
    app.conf["task_always_eager"] = value


def update(app: Celery, value: object) -> None:
    app.conf.update(task_always_eager=value)


def configure_anew(app: Celery, value: object) -> None:
    app.config_from_object({"task_always_eager": value})


@pytest.mark.parametrize("turn", [set_on_conf, set_by_key, update, configure_anew])
def test_code_that_sets_the_switch_is_heeded_at_once(
    turn: Callable[[Celery, object], None], app: Celery
) -> None:
    for value in (True, False, True):
        turn(app, value)
        assert always_eager() is value


def test_old_name_of_the_switch_is_heeded_where_celery_heeds_it(app: Celery) -> None:
    for value in (True, False, True):
        app.conf.update(CELERY_ALWAYS_EAGER=value)
        assert always_eager() is bool(app.conf.task_always_eager)


@pytest.mark.parametrize("name", ["JOBS_TASK_ALWAYS_EAGER", "CELERY_TASK_ALWAYS_EAGER"])
def test_setting_of_django_is_heeded_while_it_holds(name: str, app: Celery) -> None:
    with override_settings(**{name: True}):
        assert always_eager()
        with override_settings(**{name: False}):
            assert not always_eager()
        assert always_eager()
    assert not always_eager()


def test_default_that_is_added_later_is_heeded(app: Celery) -> None:
    app.add_defaults(lambda: {"task_always_eager": True})
    assert always_eager()


def turn_by_code(app: Celery) -> None:
    set_on_conf(app, value=True)


def turn_by_djangos_settings(app: Any) -> None:
    app.conf.maps[-1]["task_always_eager"] = True  # as Django's settings do: no map is another one
    setting_changed.send(sender=None, setting="JOBS_TASK_ALWAYS_EAGER", value=True, enter=True)


@pytest.mark.parametrize("turn", [turn_by_code, turn_by_djangos_settings])
def test_switch_that_is_turned_while_the_settings_are_read_is_seen_the_next_time(
    turn: Callable[[Celery], None], app: Celery
) -> None:
    class Turning(dict[str, object]):
        """Turns the switch, as another thread may, when the broker is looked up after it."""

        turned = False

        def __getitem__(self, key: str) -> object:
            if key == "broker_write_url" and not self.turned:
                self.turned = True
                turn(app)
            return super().__getitem__(key)

    app.add_defaults(Turning)
    assert not always_eager()
    assert always_eager()


def test_each_app_has_its_own_switch(app: Celery) -> None:
    app.conf.task_always_eager = True
    assert always_eager()
    project_app.set_current()
    assert not always_eager()
    app.set_current()
    assert always_eager()


def test_app_that_was_never_asked_for_its_settings_is_configured_first() -> None:
    app = Celery("tests.lazy", set_as_current=False)
    app.config_from_object(Switched)
    app.set_current()
    try:
        assert always_eager()
    finally:
        project_app.set_current()
        app.close()
