"""The errors: one root, and the base that a caller would expect."""

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

import deferred_signals
from deferred_signals import errors


@pytest.mark.parametrize(
    ("error", "base"),
    [
        (errors.ConfigurationError, ImproperlyConfigured),
        (errors.InvalidPolicy, ValueError),
        (errors.DuplicateReceiver, errors.RegistrationError),
        (errors.InvalidReceiver, errors.RegistrationError),
        (errors.SignalNotDeferrable, errors.RegistrationError),
        (errors.SerializationError, Exception),
        (errors.MessageTooLarge, Exception),
        (errors.DecodeError, ValueError),
        (errors.UnknownReceiver, LookupError),
        (errors.DepthExceeded, RecursionError),
        (errors.PublishError, Exception),
        (errors.EagerReceiverFailed, Exception),
    ],
)
def test_error_has_the_root_and_the_base_that_is_expected(error: type, base: type) -> None:
    assert issubclass(error, errors.DeferredSignalsError)
    assert issubclass(error, base)


@pytest.mark.parametrize("error", [errors.SerializationError, errors.MessageTooLarge])
def test_error_of_a_send_is_caught_by_nobody_who_means_another(error: type) -> None:
    assert error.__bases__ == (errors.DeferredSignalsError,)


@pytest.mark.parametrize("control_flow", [errors.Discard, errors.RetryLater])
def test_control_flow_is_no_error_of_ours(control_flow: type) -> None:
    assert issubclass(control_flow, Exception)
    assert not issubclass(control_flow, errors.DeferredSignalsError)


def test_every_error_is_public() -> None:
    assert set(errors.__all__) <= set(dir(deferred_signals))


def test_discard_keeps_its_reason() -> None:
    assert errors.Discard("the order was cancelled").reason == "the order was cancelled"
    assert errors.Discard().reason == ""


@pytest.mark.parametrize("payload", ["text", b"bytes", {"v": 1}, None])
def test_decode_error_keeps_the_payload(payload: Any) -> None:
    assert errors.DecodeError("wrong", payload).payload == payload
