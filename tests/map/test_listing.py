"""The map is a file beside the code, whose differences are worth a review and no others."""

from typing import Any

from deferred_signals import Retry
from deferred_signals.map import Callback, ReceiverMap
from deferred_signals.map.listing import as_listing, difference

from .made import deferred, made, signal, sync

COMMAND = "python manage.py deferred_receivers --write receivers.txt"
LISTED = f"""\
# Who listens to which signals, as the code declares it.
# Written by: {COMMAND}

shop.signals.placed from any sender
    shop.log
    shop.pack: deferred
        when=shop.is_paid()
        retry=Retry(on=OSError, max_attempts=5)

shop.signals.placed from shop.Order
    shop.tell: async
"""


def shop(**values: Any) -> ReceiverMap:
    options = {"when": Callback("shop.is_paid"), "retry": Retry(on=OSError, max_attempts=5)}
    return made(
        signal(
            "shop.signals.placed",
            sync("shop.log"),
            deferred("shop.pack", **{"options": options, **values}),
            sync("shop.tell", "shop.Order", runs="async"),
        ),
        signal("shop.signals.refused"),
    )


def listed(found: ReceiverMap) -> str:
    return as_listing(found, COMMAND)


def test_file_has_the_connections_with_the_options_that_code_declares() -> None:
    assert listed(shop()) == LISTED


def test_lines_and_settings_and_signals_that_nobody_hears_change_nothing() -> None:
    other = shop(queue="slow", durable=True, retry=Retry(max_attempts=9), place=None)
    assert listed(made(*other.signals, signal("shop.signals.other"))) == LISTED


def test_file_that_has_what_there_is_has_no_difference() -> None:
    assert difference(LISTED, listed(shop()), "receivers.txt") == []


def test_comments_and_ends_of_lines_make_no_difference() -> None:
    kept = "# Ours: ask the team of the shop.\n" + LISTED.partition("\n")[2].replace("\n", "\r\n")
    assert difference(kept, LISTED, "receivers.txt") == []


def test_difference_is_a_unified_diff_whose_hunks_name_the_signal() -> None:
    options = {"when": Callback("shop.is_paid"), "retry": Retry(on=OSError, max_attempts=6)}
    assert difference(LISTED, listed(shop(options=options)), "receivers.txt") == [
        "--- receivers.txt",
        "+++ receivers.txt, written anew",
        "@@ -5,7 +5,7 @@ shop.signals.placed from any sender",
        "     shop.log",
        "     shop.pack: deferred",
        "         when=shop.is_paid()",
        "-        retry=Retry(on=OSError, max_attempts=5)",
        "+        retry=Retry(on=OSError, max_attempts=6)",
        "",
        " shop.signals.placed from shop.Order",
        "     shop.tell: async",
    ]


def test_file_that_is_empty_differs_by_everything() -> None:
    added = [line for line in difference("", LISTED, "receivers.txt") if line.startswith("+    ")]
    assert len(added) == 5
