"""Runs classes of `unittest` inside of a test: for what the library does in a `TestCase`."""

import unittest

from asgiref.sync import sync_to_async
from django.db import connections


async def close_connections() -> None:
    """Close the connections of the thread that runs Django's async code: a send may open one."""
    await sync_to_async(connections.close_all)()


def run_tests_of(case: type[unittest.TestCase]) -> None:
    """Run a test case; its failures are failures of the calling test."""
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    assert result.testsRun
    failures = [text for _, text in [*result.errors, *result.failures]]
    assert not failures, "\n".join(failures)
