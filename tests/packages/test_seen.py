"""The wrapper sees each receiver that the packages connect, wherever our app is listed."""

import json
import os
import subprocess
import sys

import pytest

PROGRAM = """
import json, os
import django

django.setup()
from deferred_signals.receivers import foreign
from deferred_signals.receivers.connections import held_by
from deferred_signals.receivers.loaded import loaded_signals

held = {
    foreign.path_of(one.function)
    for signal in loaded_signals()
    for one in held_by(signal.value)
}
ours = {path for path in held if path.startswith(("wagtail.", "allauth."))}
print(json.dumps([sorted(ours), sorted(ours - set(foreign.in_force().connected()))]))
"""


@pytest.mark.parametrize("last", ["", "1"], ids=["first", "last"])
def test_each_receiver_of_the_packages_is_seen(last: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "DEFERRED_SIGNALS_LAST": last},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    held, unseen = json.loads(done.stdout)
    assert len(held) > 20
    assert unseen == []
