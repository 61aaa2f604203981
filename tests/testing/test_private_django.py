"""What the testing tools read of Django, which Django does not document.

CONTRIBUTING.md names the files that rely on each fact.
"""

from traceback import walk_tb
from typing import Any

import pytest
from django.db import transaction

pytestmark = pytest.mark.django_db(transaction=True)


def test_hooks_that_are_not_called_any_more_are_in_a_local_variable() -> None:
    def fail() -> None:
        raise KeyboardInterrupt

    def behind() -> None: ...

    with pytest.raises(KeyboardInterrupt) as caught, transaction.atomic():
        transaction.on_commit(fail)
        transaction.on_commit(behind, robust=True)
    hooks: list[Any] = [
        frame.f_locals["current_run_on_commit"]
        for frame, _line in walk_tb(caught.tb)
        if frame.f_code.co_name == "run_and_clear_commit_hooks"
    ]
    assert hooks == [[(set(), behind, True)]]
