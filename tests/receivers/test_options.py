"""The options of a deferred receiver: the list is closed, and each value is validated."""

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import Task
from pytest_django import Settings

from deferred_signals import ConfigurationError, InvalidReceiver, Retry
from deferred_signals.policies import NO_RETRY
from deferred_signals.receivers.given import options_of
from deferred_signals.receivers.options import OPTIONS, Options, policy_of, valid


def ask(sender: object, **kwargs: object) -> bool:
    return True


@pytest.mark.parametrize(
    ("name", "value", "normalized"),
    [
        ("aliases", ["a", "b"], ("a", "b")),
        ("when", ask, ask),
        ("exclude", ["request"], frozenset({"request"})),
        ("actions", ["pre_add"], frozenset({"pre_add"})),
        ("retry", "mail", "mail"),
        ("missing", "retry", "retry"),
        ("coalesce", True, True),
        ("coalesce", ask, ask),
        ("queue", ask, ask),
        ("priority", 0, 0),
        ("countdown", 1.5, 1.5),
        ("countdown", timedelta(minutes=1), 60.0),
        ("expires", timedelta(minutes=1), 60.0),
        ("expires", datetime(2030, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)),
        ("time_limit", timedelta(minutes=1), 60.0),
        ("headers", {"a": 1}, {"a": 1}),
        ("rate_limit", "10/m", "10/m"),
        ("track_started", True, True),
        ("throws", ValueError, (ValueError,)),
        ("throws", [ValueError, OSError], (ValueError, OSError)),
        ("base", Task, Task),
        ("serializer", "yaml", "yaml"),
    ],
)
def test_value_is_accepted_and_normalized(name: str, value: object, normalized: object) -> None:
    assert getattr(options_of({name: value}), name) == normalized


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("aliases", "one"),
        ("aliases", [1]),
        ("aliases", [""]),
        ("aliases", ["with space"]),
        ("aliases", ["a\nb"]),
        ("aliases", ["x" * 201]),
        ("exclude", ("signal",)),
        ("carry", ("a b",)),
        ("carry", "_old"),
        ("snapshot", "instance"),
        ("snapshot", ("signal",)),
        ("when", "always"),
        ("raw", 1),
        ("exclude", "request"),
        ("exclude", {"request": 1}),
        ("capture", {}),
        ("actions", ["post_ad"]),
        ("actions", "post_add"),
        ("opt_in", "yes"),
        ("using", 3),
        ("using", ""),
        ("coalesce", 1),
        ("coalesce", "instance"),
        ("coalesce", None),
        ("retry", 3),
        ("retry", True),
        ("missing", "ignore"),
        ("missing", []),
        ("queue", 3),
        ("queue", ""),
        ("priority", "high"),
        ("priority", -1),
        ("priority", 256),
        ("priority", True),
        ("countdown", -1),
        ("countdown", "soon"),
        ("countdown", float("nan")),
        ("countdown", timedelta(seconds=-1)),
        ("expires", "soon"),
        ("time_limit", 0),
        ("time_limit", -1),
        ("time_limit", True),
        ("time_limit", timedelta(0)),
        ("soft_time_limit", "x"),
        ("headers", []),
        ("headers", {1: 2}),
        ("compression", 3),
        ("rate_limit", ""),
        ("rate_limit", []),
        ("ignore_result", None),
        ("acks_late", None),
        ("track_started", "x"),
        ("throws", "ValueError"),
        ("throws", [3]),
        ("base", "Task"),
        ("base", int),
        ("send_events", 0),
        ("serializer", "pickle"),
        ("serializer", 3),
    ],
)
def test_wrong_value_is_refused_by_the_options_name(name: str, value: object) -> None:
    with pytest.raises(InvalidReceiver, match=f"^{name} must be"):
        options_of({name: value})


def test_soft_limit_beyond_the_hard_one_is_refused() -> None:
    with pytest.raises(InvalidReceiver, match="soft_time_limit is 60 s, more than time_limit"):
        options_of({"time_limit": 30, "soft_time_limit": timedelta(minutes=1)})


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("exlude", "exclude"),
        ("timelimit", "time_limit"),
        ("retries", "retry"),
        ("retires", "retry"),
        ("Queue", "queue"),
        ("senders", "sender"),
        ("differed", "deferred"),
    ],
)
def test_unknown_option_is_refused_with_the_nearest_name(name: str, nearest: str) -> None:
    with pytest.raises(InvalidReceiver, match=f"{name}= is not an option.*Did you mean '{nearest}"):
        options_of({name: 1})


@pytest.mark.parametrize(
    "name",
    [
        "bind",
        "max_retries",
        "autoretry_for",
        "default_retry_delay",
        "retry_backoff",
        "retry_jitter",
        "retry_backoff_max",
        "retry_kwargs",
        "reject_on_worker_lost",
    ],
)
def test_celerys_ways_to_retry_are_refused_with_ours(name: str) -> None:
    with pytest.raises(InvalidReceiver, match=r"use retry=Retry\(\.\.\.\)"):
        options_of({name: 1})


@pytest.mark.parametrize("name", [item.name for item in fields(Retry)])
def test_field_of_retry_is_refused_with_where_it_belongs(name: str) -> None:
    for given in ({name: 1}, {name: 1, "retry": Retry()}):
        with pytest.raises(InvalidReceiver, match=rf"give it inside retry=Retry\({name}=\.\.\.\)"):
            options_of(given)


@pytest.mark.parametrize(
    ("name", "instead"),
    [("eta", "countdown="), ("routing_key", "queue="), ("exchange", "task_routes")],
)
def test_argument_of_celery_is_refused_with_what_to_use(name: str, instead: str) -> None:
    with pytest.raises(InvalidReceiver, match=f"{name}= is not an option.*{instead}"):
        options_of({name: 1})


def test_number_of_retries_is_refused_with_the_policy_that_it_means() -> None:
    with pytest.raises(InvalidReceiver, match=r"retry must be.*Retry\(max_attempts=4\)\), got 3"):
        options_of({"retry": 3})


def test_all_wrong_options_are_told_at_once() -> None:
    given = {"qeue": 1, "raw": 1, "priority": -1, "ordered_by": "row", "opt_in": True}
    with pytest.raises(InvalidReceiver) as caught:
        options_of(given)
    for words in (
        "for 4 reasons",
        "'queue'",
        "raw must be",
        "priority must be",
        "ordered_by must be",
    ):
        assert words in str(caught.value)


def test_atomic_is_refused_where_delivery_is_not_durable() -> None:
    with pytest.raises(InvalidReceiver, match=r"atomic=True.* durable=True"):
        options_of({"atomic": True, "durable": False})
    assert options_of({"atomic": True, "durable": True}).atomic


def test_equal_options_are_equal_however_they_were_written() -> None:
    one = {"exclude": ["b", "a"], "retry": Retry(on=OSError), "time_limit": timedelta(minutes=1)}
    other = {"exclude": ("a", "b"), "retry": Retry(on=(OSError,)), "time_limit": 60}
    assert options_of(one) == options_of(other)
    assert options_of(one) != options_of({**other, "time_limit": 61})


def test_headers_are_a_copy() -> None:
    headers = {"a": 1}
    options = options_of({"headers": headers})
    headers["a"] = 2
    assert options.headers == {"a": 1}


def test_defaults_are_those_of_the_documentation() -> None:
    options = Options()
    assert (options.acks_late, options.ignore_result) == (True, True)
    assert options.actions == {"post_add", "post_remove", "post_clear"}
    assert (options.raw, options.opt_in, options.missing) == (False, False, None)


def test_policy_is_the_receivers_own() -> None:
    policy = Retry(max_attempts=9)
    assert policy_of(options_of({"retry": policy})) is policy


def test_policy_is_that_of_the_settings_where_none_is_given(settings: Settings) -> None:
    settings.DEFERRED_SIGNALS = {"RETRY": {"max_attempts": 9}}
    assert policy_of(Options()) == Retry(max_attempts=9)


def test_policy_may_be_named(settings: Settings) -> None:
    settings.DEFERRED_SIGNALS = {"RETRY_POLICIES": {"mail": {"max_attempts": 9}}}
    assert policy_of(options_of({"retry": "mail"})) == Retry(max_attempts=9)
    with pytest.raises(ConfigurationError, match=r"'male' names no policy.*Did you mean 'mail'"):
        policy_of(options_of({"retry": "male"}))


def test_name_of_a_policy_where_there_are_none_is_refused_with_how_to_make_one() -> None:
    with pytest.raises(ConfigurationError, match=r"define none.*RETRY_POLICIES.*'mail': \{"):
        policy_of(options_of({"retry": "mail"}))


def test_no_policy_is_one_attempt() -> None:
    assert policy_of(options_of({"retry": None})) is NO_RETRY


def test_options_of_connections_are_not_the_receiver_s() -> None:
    neutral: dict[str, Any] = {"sender": None, "weak": True, "dispatch_uid": None, "name": "x"}
    assert options_of(neutral) == Options()
    assert OPTIONS.keys() - Options.__dataclass_fields__ == neutral.keys()


@pytest.mark.parametrize("name", OPTIONS)
def test_default_of_an_option_fits_the_option_and_is_given_back(name: str) -> None:
    told = OPTIONS[name]
    assert valid(name, told.default) == told.default


@pytest.mark.parametrize("name", OPTIONS)
def test_meaning_of_an_option_is_one_line(name: str) -> None:
    assert 10 < len(OPTIONS[name].meaning) <= 90
    assert not OPTIONS[name].meaning.endswith(".")
