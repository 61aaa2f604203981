"""`Blocks`: any sequence of blocks, for state machines that hold what is committed against a model.

The model is Django's own rule: what is registered inside a block is kept when the block ends well,
dropped when it is rolled back, and happens when the outermost block is committed.
"""

from typing import Any, Generic, TypeVar

from django.db import transaction
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from tests.support.rollbacks import Stop

Entry = TypeVar("Entry")


class Blocks(RuleBasedStateMachine, Generic[Entry]):
    """Opens and ends blocks of a real database, and knows what waits in each."""

    def __init__(self) -> None:
        super().__init__()
        #: For each open block: the block, whether it has a savepoint, and what waits in it.
        self.blocks: list[tuple[Any, bool, list[Entry]]] = []
        self.doomed = False
        self.number = 0

    def commit(self, entries: list[Entry]) -> None:
        """Note in the model what is committed together."""
        raise NotImplementedError

    def happen(self, entry: Entry) -> None:
        """Note in the model what waits for the commit, or happens now where nothing is open."""
        if self.blocks:
            self.blocks[-1][2].append(entry)
        else:
            self.commit([entry])

    @precondition(lambda self: len(self.blocks) < 5 and not self.doomed)
    @rule()
    def begin(self) -> None:
        self.enter(savepoint=True)

    @precondition(lambda self: len(self.blocks) < 5 and not self.doomed)
    @rule()
    def begin_without_a_savepoint(self) -> None:
        self.enter(savepoint=False)

    def enter(self, *, savepoint: bool) -> None:
        block = transaction.atomic(savepoint=savepoint)
        block.__enter__()
        self.blocks.append((block, savepoint or len(self.blocks) == 0, []))

    @precondition(lambda self: self.blocks)
    @rule()
    def end_well(self) -> None:
        block, has_savepoint, waiting = self.blocks.pop()
        block.__exit__(None, None, None)
        if not (self.doomed and has_savepoint):
            self.keep(waiting)
        self.doomed = self.doomed and not has_savepoint

    @precondition(lambda self: self.can_roll_back())
    @rule()
    def roll_back(self) -> None:
        block, has_savepoint, waiting = self.blocks.pop()
        block.__exit__(Stop, Stop(), None)
        # Without a savepoint of its own the failure is the enclosing block's.
        self.doomed = not has_savepoint
        if self.doomed:
            self.keep(waiting)

    def can_roll_back(self) -> bool:
        return bool(self.blocks)

    def keep(self, waiting: list[Entry]) -> None:
        if self.blocks:
            self.blocks[-1][2].extend(waiting)
        elif waiting:
            self.commit(waiting)

    def end_all(self) -> None:
        """End all blocks that are open, by rolling them back where that may be done."""
        while self.blocks:
            self.roll_back() if self.can_roll_back() else self.end_well()
