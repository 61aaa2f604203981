"""What the tests of the testing tools share."""

import pytest
from django.dispatch import Signal

from tests.conftest import Connected
from tests.testing.recording import Recorder


@pytest.fixture
def recorder(signal: Signal, defer: Connected) -> Recorder:
    """A deferred receiver of the test's signal."""
    made = Recorder()
    defer(signal)(made.receive)
    return made
