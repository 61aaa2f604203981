"""`roll_back()`: rolls back the `atomic()` block around it, by an exception that a test expects."""


class Stop(Exception):
    """Rolls a block back."""


def roll_back() -> None:
    """Raise `Stop`; the test expects it: `with pytest.raises(Stop), atomic(): ...`."""
    raise Stop
