"""The `DEFERRED_SIGNALS` setting: typed, validated, and read anew when it changes."""

from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import override_settings
from pytest_django import Settings

from deferred_signals import ConfigurationError, Retry, conf
from deferred_signals.policies import NO_RETRY


def test_absent_setting_is_all_defaults(settings: Settings) -> None:
    if hasattr(settings, "DEFERRED_SIGNALS"):
        del settings.DEFERRED_SIGNALS
    assert conf.current() == conf.Settings()


def test_defaults_are_those_of_the_documentation() -> None:
    defaults = conf.Settings()
    assert (defaults.EAGER, defaults.EAGER_PROPAGATES) == (False, True)
    assert Retry() == defaults.RETRY
    assert defaults.QUEUE is None
    assert defaults.MAX_MESSAGE_BYTES == 256 * 1024
    assert (defaults.MAX_DEPTH, defaults.MAX_REDELIVERIES) == (16, 10)
    assert {"password", "secret", "api_key", "private_key"} <= defaults.SENSITIVE


@pytest.mark.parametrize(
    ("key", "value", "got"),
    [
        ("EAGER", True, True),
        ("RETRY", {"max_attempts": 5}, Retry(max_attempts=5)),
        ("RETRY", Retry(max_attempts=5), Retry(max_attempts=5)),
        ("RETRY", None, NO_RETRY),
        ("RETRY_POLICIES", {"mail": {"wait_max": 9}}, {"mail": Retry(wait_max=9)}),
        ("QUEUE", "signals", "signals"),
        (
            "DEFER",
            {"shop.receivers.book": {"queue": "slow"}},
            {"shop.receivers.book": {"queue": "slow"}},
        ),
        ("DEFER", {"shop.receivers.book": {}}, {"shop.receivers.book": {}}),
        ("SENSITIVE", (), frozenset()),
        ("SENSITIVE", ["pin"], frozenset({"pin"})),
        ("MAX_REDELIVERIES", 0, 0),
    ],
)
def test_value_is_read(settings: Settings, key: str, value: object, got: object) -> None:
    settings.DEFERRED_SIGNALS = {key: value}
    assert getattr(conf.current(), key) == got
    assert conf.problems() == []


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("EAGR", "Did you mean 'EAGER'?"),
        ("eager", "Did you mean 'EAGER'?"),
        ("RETRIES", "Did you mean 'RETRY"),
        ("MAX_MESSAGE_SIZE", "Did you mean 'MAX_MESSAGE_BYTES'?"),
        ("XYZZY", "Known names: "),
        (3, "Known names"),
    ],
)
def test_unknown_key_is_a_problem_whose_hint_names_the_nearest(
    settings: Settings, key: Any, hint: str
) -> None:
    settings.DEFERRED_SIGNALS = {key: True}
    (problem,) = conf.problems()
    assert hint in problem.hint
    with pytest.raises(ConfigurationError, match=r"is not a setting") as caught:
        conf.current()
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("EAGER", 1),
        ("EAGER", "yes"),
        ("EAGER_PROPAGATES", None),
        ("RETRY", 3),
        ("RETRY", {"max_attempt": 3}),
        ("RETRY", {"max_attempts": 0}),
        ("RETRY", {3: 3}),
        ("RETRY_POLICIES", []),
        ("RETRY_POLICIES", {3: Retry()}),
        ("RETRY_POLICIES", {"mail": {"wait_max": -1}}),
        ("QUEUE", ""),
        ("DEFER", None),
        ("DEFER", ["shop.receivers.book"]),
        ("DEFER", {"book": {}}),
        ("DEFER", {"shop.": {}}),
        ("DEFER", {3: {}}),
        ("DEFER", {"shop.receivers.book": None}),
        ("DEFER", {"shop.receivers.book": {3: 3}}),
        ("QUEUE", 3),
        ("MAX_MESSAGE_BYTES", 10),
        ("MAX_MESSAGE_BYTES", "256K"),
        ("MAX_DEPTH", 0),
        ("MAX_DEPTH", True),
        ("MAX_REDELIVERIES", -1),
        ("SENSITIVE", "password"),
        ("SENSITIVE", [1]),
    ],
)
def test_value_of_the_wrong_type_is_a_problem(settings: Settings, key: str, value: object) -> None:
    settings.DEFERRED_SIGNALS = {key: value}
    (problem,) = conf.problems()
    assert problem.key == key
    assert f"DEFERRED_SIGNALS[{key!r}]" in problem.text
    assert problem.hint
    with pytest.raises(ConfigurationError):
        conf.current()


def test_field_of_a_policy_gets_a_hint_too(settings: Settings) -> None:
    settings.DEFERRED_SIGNALS = {"RETRY": {"max_attempt": 3}}
    (problem,) = conf.problems()
    assert "Did you mean 'max_attempts'?" in problem.text


@pytest.mark.parametrize("raw", [[], "EAGER", 3, True])
def test_setting_that_is_no_dict_is_a_problem(settings: Settings, raw: object) -> None:
    settings.DEFERRED_SIGNALS = raw
    (problem,) = conf.problems()
    assert "must be a dict" in problem.text


def test_every_problem_is_told() -> None:
    with override_settings(DEFERRED_SIGNALS={"EAGER": 1, "MAX_DEPTH": 0, "XYZZY": 1}):
        assert [problem.key for problem in conf.problems()] == ["EAGER", "MAX_DEPTH", "XYZZY"]


def test_each_entry_of_defer_that_is_wrong_is_told() -> None:
    entries = {"book": {}, "shop.receivers.book": {}, "shop.receivers.ship": True}
    with override_settings(DEFERRED_SIGNALS={"DEFER": entries}):
        assert [problem.text for problem in conf.problems()] == [
            "DEFERRED_SIGNALS['DEFER']['book'] is no dotted path.",
            "DEFERRED_SIGNALS['DEFER']['shop.receivers.ship'] must be a dict of options, got True.",
        ]


def test_what_is_right_can_be_read_beside_what_is_wrong() -> None:
    entries: dict[str, object] = {"shop.receivers.book": {}}
    with override_settings(DEFERRED_SIGNALS={"EAGR": 1, "MAX_DEPTH": 0, "DEFER": entries}):
        assert (entries, 16) == (conf.sound().DEFER, conf.sound().MAX_DEPTH)
    with override_settings(DEFERRED_SIGNALS=3):
        assert conf.sound() == conf.Settings()


def test_override_settings_holds_inside_and_ends() -> None:
    before = conf.current()
    with override_settings(DEFERRED_SIGNALS={"MAX_DEPTH": 3}):
        assert conf.current().MAX_DEPTH == 3
        with override_settings(DEFERRED_SIGNALS={"MAX_DEPTH": 4}):
            assert conf.current().MAX_DEPTH == 4
        assert conf.current().MAX_DEPTH == 3
    assert conf.current() == before


def test_dict_that_is_assigned_without_a_word_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert conf.current().MAX_DEPTH == 16
    monkeypatch.setattr(django_settings, "DEFERRED_SIGNALS", {"MAX_DEPTH": 3})
    assert conf.current().MAX_DEPTH == 3
    monkeypatch.delattr(django_settings, "DEFERRED_SIGNALS")
    assert conf.current().MAX_DEPTH == 16


def test_setting_that_a_test_removes_is_there_again_afterwards() -> None:
    with override_settings(DEFERRED_SIGNALS={"MAX_DEPTH": 3}):
        with override_settings():
            del django_settings.DEFERRED_SIGNALS
            assert conf.current().MAX_DEPTH == 16
        assert conf.current().MAX_DEPTH == 3


def test_settings_that_another_thread_is_exchanging_are_the_defaults_for_that_moment() -> None:
    holder = vars(django_settings).pop("_wrapped")  # as Django does, before it sets the next one
    try:
        assert conf.current() == conf.Settings()
    finally:
        vars(django_settings)["_wrapped"] = holder


def test_setting_that_is_exchanged_while_it_is_read_is_seen_the_next_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Exchanged(dict[str, object]):
        """Is exchanged, as by another thread, while its keys are read."""

        def items(self) -> Any:
            monkeypatch.setattr(django_settings, "DEFERRED_SIGNALS", {"MAX_DEPTH": 4})
            return super().items()

    monkeypatch.setattr(django_settings, "DEFERRED_SIGNALS", Exchanged(MAX_DEPTH=3))
    assert conf.current().MAX_DEPTH == 3
    assert conf.current().MAX_DEPTH == 4
