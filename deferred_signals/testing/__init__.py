"""Test deferred receivers: two modes, assertions, and waits that tests need not wait for.

In the mode `inline()` receivers run here, as soon as the code under test commits. In the mode
`manual()` messages are collected, and run when the test says so. Both modes work for all databases,
also in a plain ``TestCase`` (or with pytest's ``db``), whose transaction is never committed. Both
encode and decode each payload, so that what passes in a test does not fail on a worker.

    with manual() as deferred:
        place_order(customer)
    deferred.assert_deferred(send_receipt, order_id=7)
    deferred.run_deferred()
"""

from deferred_signals.support.lazy import lazily

# The public names are listed in `__init__.pyi`.
__all__, __getattr__, __dir__ = lazily(__name__)
