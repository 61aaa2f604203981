"""Select a part of the map."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from django.apps import apps

from deferred_signals.map.entries import MappedReceiver, MappedSignal, ReceiverMap
from deferred_signals.map.words import ALL
from deferred_signals.support.frozen import Frozen
from deferred_signals.support.hints import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["NothingSelected", "Selection"]


class NothingSelected(LookupError):
    """Nothing of the map has the name that a selection asks for; the error names the nearest."""


#: How the names of signals begin that every model sends.
_OF_MODELS = "django.db.models.signals."


class Selection(Frozen):
    """What to show of the map. An empty text selects everything.

    Arguments:
        signal: a part of the signal's name, in upper or lower case.
        sender: the same of the sender's. Receivers of all senders hear that one, too: they are selected
            where a receiver of that sender alone is, and among the signals of models.
        receiver: the same of the receiver's.
        app: the label of a Django app: receivers that are its code, or listen to its models.
        runs: only deferred receivers, or only others.
        project: only receivers of the project's own code, and deferred ones.
    """

    signal: str = ""
    sender: str = ""
    receiver: str = ""
    app: str = ""
    runs: Literal["", "deferred", "sync"] = ""
    project: bool = False

    def of(self, found: ReceiverMap) -> ReceiverMap:
        """Return the part of a map that is selected.

        Raises:
            NothingSelected: the map has no such signal, sender, receiver or app at all.
        """
        self._refuse_unknown(found)
        signals = [signal for signal in found.signals if _contains(signal.name, self.signal)]
        selected = [replace(signal, receivers=self._receivers_of(signal)) for signal in signals]
        return ReceiverMap(
            signals=tuple(
                part
                for signal, part in zip(signals, selected, strict=True)
                if part.receivers or self._has_unheard(signal)
            )
        )

    def _receivers_of(self, signal: MappedSignal) -> tuple[MappedReceiver, ...]:
        present = [receiver for receiver in signal.receivers if self._has(receiver)]
        if not self.sender:
            return tuple(present)
        heard = [item for item in present if item.sender and _contains(item.sender, self.sender)]
        if not heard and not signal.name.startswith(_OF_MODELS):
            return ()
        return tuple(item for item in present if item in heard or item.sender is None)

    def _has(self, receiver: MappedReceiver) -> bool:
        return (
            _contains(receiver.name, self.receiver)
            and (not self.app or self.app in receiver.apps)
            and (not self.runs or (self.runs == "deferred") == (receiver.runs == "deferred"))
            and (not self.project or receiver.is_own or receiver.runs == "deferred")
        )

    def _has_unheard(self, signal: MappedSignal) -> bool:
        """Return whether a signal is selected that nobody hears at all."""
        return (
            not (signal.receivers or self.sender or self.receiver or self.runs)
            and (not self.app or self.app == signal.app)
            and (not self.project or signal.is_own)
        )

    def _refuse_unknown(self, found: ReceiverMap) -> None:
        senders = {receiver.sender or ALL for receiver in found.receivers}
        for option, wanted, known in (
            ("signal", self.signal, {signal.name for signal in found.signals}),
            ("sender", self.sender, senders),
            ("receiver", self.receiver, {receiver.name for receiver in found.receivers}),
        ):
            if not any(_contains(name, wanted) for name in known):
                raise NothingSelected(
                    f"No {option}'s name has {wanted!r} in it. {_hint(wanted, known)}"
                )
        labels = {config.label for config in apps.get_app_configs()}
        if self.app and self.app not in labels:
            raise NothingSelected(f"No app has the label {self.app!r}. {nearest(self.app, labels)}")


def _contains(name: str, part: str) -> bool:
    return part.casefold() in name.casefold()


def _hint(wanted: str, known: Iterable[str]) -> str:
    """Tell the nearest name; a person who misspells the last part of one is told that part."""
    names = {name.rpartition(".")[2] for name in known} if "." not in wanted else set(known)
    hint = nearest(wanted, names)
    return hint if hint.startswith("Did") else "Leave the option out to see all names."
