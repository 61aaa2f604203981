"""A receiver for the tests of the testing tools, and a runner for test cases inside of tests."""

import unittest
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connections

from tests.support.connected import running


class Recorder:
    """A receiver that notes its calls, and fails as often as it is told."""

    def __init__(self, failures: int = 0) -> None:
        self.calls: list[dict[str, Any]] = []
        self.attempts: list[int] = []
        self.failures = failures

    def receive(self, sender: object, **kwargs: Any) -> None:
        del kwargs["signal"]
        self.calls.append(kwargs)
        self.attempts.append(running().attempt)
        if len(self.calls) <= self.failures:
            raise ConnectionError("the mail server is away")


async def close_connections() -> None:
    """Close those of the thread that Django's async code runs in: a send may have opened one."""
    await sync_to_async(connections.close_all)()


def run_tests_of(case: type[unittest.TestCase]) -> None:
    """Run a test case; its failures are this test's."""
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    assert result.testsRun
    failures = [text for _, text in [*result.errors, *result.failures]]
    assert not failures, "\n".join(failures)
