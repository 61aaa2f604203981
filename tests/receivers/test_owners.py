"""Whose a signal is: the project's, Django's, or that of an installed package."""

import site
import sys
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.contrib.auth.signals import user_logged_in
from django.core.signals import request_started
from django.db.models.signals import m2m_changed, post_save
from django.dispatch import Signal
from django.utils.functional import SimpleLazyObject
from pytest_django import Settings

from deferred_signals.events import receiver_failed
from deferred_signals.receivers.owners import is_projects_own
from tests.app.signals import order_placed

INSTALLED = [
    sysconfig.get_path("purelib"),
    sysconfig.get_path("stdlib"),
    site.getusersitepackages(),
    "/usr/lib/python3/dist-packages",
    "/srv/bundle.zip/site-packages",
]


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make modules with attributes, loaded as if from a folder."""

    def make(name: str, folder: str | None, **attributes: object) -> ModuleType:
        made = ModuleType(name)
        if folder is not None:
            made.__file__ = str(Path(folder, *name.split(".")).with_suffix(".py"))
        vars(made).update(attributes)
        monkeypatch.setitem(sys.modules, name, made)
        return made

    return make


@pytest.mark.parametrize("django_s", [post_save, m2m_changed, user_logged_in, request_started])
def test_djangos_signals_are_not_the_projects(django_s: Signal) -> None:
    assert not is_projects_own(django_s)


def test_signal_of_a_module_of_the_project_is_its_own() -> None:
    assert is_projects_own(order_placed)


def test_signal_of_no_module_is_the_projects_own(signal: Signal) -> None:
    assert is_projects_own(signal)


@pytest.mark.parametrize("folder", INSTALLED)
def test_signal_of_an_installed_package_is_not_the_projects(
    folder: str, signal: Signal, module: Any
) -> None:
    module("pkg.signals", folder, paid=signal)
    assert not is_projects_own(signal)


def test_signal_of_a_package_stays_its_own_where_the_project_imports_it(
    signal: Signal, module: Any
) -> None:
    module("a.signals", "/srv/project", paid=signal)
    module("package_of_a_longer_name.events", sysconfig.get_path("purelib"), paid=signal)
    module("__main__", "/srv/project", paid=signal)
    assert not is_projects_own(signal)


def test_signal_in_a_container_or_class_of_a_package_is_the_packages(module: Any) -> None:
    signals = [Signal() for _ in range(4)]
    module("pkg.hooks", sysconfig.get_path("purelib"), BY_NAME={"paid": signals[0]})
    module("pkg.more", sysconfig.get_path("purelib"), ALL=[signals[1]], SOME=(signals[2],))
    holder = type("Holder", (), {"changed": signals[3], "__module__": "pkg.holders"})
    module("pkg.holders", sysconfig.get_path("purelib"), Holder=holder)
    assert [is_projects_own(signal) for signal in signals] == [False] * 4


def test_class_of_the_project_that_a_package_holds_makes_no_signal_the_packages(
    signal: Signal, module: Any
) -> None:
    mine = type("Mine", (), {"changed": signal, "__module__": "shop.models"})
    module("shop.models", "/srv/project", Mine=mine)
    module("pkg.registry", sysconfig.get_path("purelib"), registered=mine)
    assert is_projects_own(signal)


def test_package_that_is_installed_to_be_edited_is_the_projects(
    signal: Signal, module: Any
) -> None:
    module("pkg.signals", "/home/me/src/pkg", paid=signal)
    assert is_projects_own(signal)


def test_package_of_the_settings_is_the_projects_wherever_it_is_installed(
    signal: Signal, module: Any, settings: Settings
) -> None:
    module("shop.signals", sysconfig.get_path("purelib"), paid=signal)
    settings.SETTINGS_MODULE = "shop.settings"
    assert is_projects_own(signal)


def test_module_without_a_file_is_the_projects(signal: Signal, module: Any) -> None:
    module("typed.at.a.prompt", None, paid=signal)
    assert is_projects_own(signal)


def test_signals_of_this_library_are_not_the_projects_where_it_is_worked_on() -> None:
    assert not is_projects_own(receiver_failed)


def test_nothing_that_a_module_holds_is_made_to_do_its_work(signal: Signal, module: Any) -> None:
    module(
        "odd",
        None,
        lazy=SimpleLazyObject(lambda: 1 / 0),
        paid=signal,
        __getattr__=lambda name: 1 / 0,
    )
    assert is_projects_own(signal)
