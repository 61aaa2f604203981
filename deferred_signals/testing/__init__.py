"""What a team needs to trust its deferred receivers: modes, assertions, and a clock that is not waited for.

Two modes, as Oban has them. `inline()`: receivers run here, as soon as the code under test
commits. `manual()`: messages are collected, to be looked at and run when the test says so. Both
work in a plain ``TestCase`` (or pytest's ``db``), whose transaction is never committed, for all
databases, and take each payload through encoding and decoding, so that what passes in a test
does not fail on a worker.

    with manual() as deferred:
        place_order(customer)
    deferred.assert_deferred(send_receipt, order_id=7)
    deferred.run_deferred()
"""

from deferred_signals.support.lazy import lazily

# The public names are listed in `__init__.pyi`.
__all__, __getattr__, __dir__ = lazily(__name__)
