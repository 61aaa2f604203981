"""The option ``strict``: a fresh process says whether it could have run each message."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import warnings
from functools import cache
from tempfile import TemporaryFile
from threading import Lock, Timer
from typing import TYPE_CHECKING

from deferred_signals.errors import ConfigurationError
from deferred_signals.message.wire import unpack
from deferred_signals.publishing.celery_facts import module_of_app

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["SenderNotLoadedWarning", "check_wires"]

#: Seconds that the process may take for an answer. The first answer takes as long as the project
#: takes to load.
PATIENCE = 120.0


class SenderNotLoadedWarning(UserWarning):
    """A worker would not know the sender, and would give the receiver its name alone."""


def check_wires(wires: Sequence[str]) -> None:
    """Ask a fresh process whether it could run messages.

    Raises:
        AssertionError: the process could not run one of them; the error says why.
        ConfigurationError: the process cannot be started, or died.
    """
    if not wires:
        return
    messages = [unpack(wire) for wire in wires]
    answers = _process().ask([message.to_wire() for message in messages])
    failed = []
    for message, answer in zip(messages, answers, strict=True):
        if "error" in answer:
            failed.append(f"{message.receiver}: {answer['error']}")
        if "sender" in answer:
            warnings.warn(
                f"A worker does not load {answer['sender']!r}, the sender of a message for "
                f"{message.receiver!r}: the receiver gets SenderNotLoaded in its place. Import the "
                f"sender's module where a worker does, for example in AppConfig.ready().",
                SenderNotLoadedWarning,
                stacklevel=2,
            )
    if failed:
        reasons = "\n  ".join(dict.fromkeys(failed))
        raise AssertionError(f"A worker could not run what was deferred:\n  {reasons}")


class FreshProcess:
    """The fresh process. It answers all questions of this test process, and is started once."""

    def __init__(self) -> None:
        if "DJANGO_SETTINGS_MODULE" not in os.environ:
            raise ConfigurationError(
                "strict=True starts a process that loads the project as a worker does, and needs a "
                "settings module for it: set DJANGO_SETTINGS_MODULE."
            )
        self._lock = Lock()
        self._complaints = TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - closed by `end`
        app = module_of_app()
        self._process = subprocess.Popen(  # noqa: S603 - this Python, and a module of ours
            [sys.executable, "-m", "deferred_signals.testing.fresh", *([app] if app else [])],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            encoding="utf-8",
        )
        atexit.register(self.end)

    def ask(self, texts: list[str]) -> list[dict[str, str]]:
        """Return the answer about each message.

        Raises:
            ConfigurationError: the process died, or did not answer in time.
        """
        with self._lock:
            watch = Timer(PATIENCE, self._process.kill)
            watch.start()
            try:
                line = self._exchange(json.dumps(texts))
            finally:
                watch.cancel()
            if not line:
                raise ConfigurationError(
                    f"strict=True starts a process that loads the project as a worker does, and "
                    f"that process died:\n{self.end()}"
                )
        answers: list[dict[str, str]] = json.loads(line)
        return answers

    def end(self) -> str:
        """End the process; return the end of what it wrote to stderr."""
        atexit.unregister(self.end)
        _process.cache_clear()
        self._process.communicate()
        with self._complaints as complaints:
            complaints.seek(0)
            return complaints.read()[-2000:]

    def _exchange(self, question: str) -> str:
        """Return the answer; an empty text if there is none."""
        questions, answers = self._process.stdin, self._process.stdout
        if questions is None or answers is None:
            raise AssertionError("Popen was asked for pipes.")
        try:
            questions.write(question + "\n")
            questions.flush()
        except BrokenPipeError:
            return ""
        return answers.readline()


@cache
def _process() -> FreshProcess:
    return FreshProcess()
