"""The timeline as the page shows it: what belongs to one order stands together."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from demo_site.shop.timeline import Moment

#: Of each kind of moments: the word that the page has for it, and its tone.
WORDS = {
    "request": ("request", "plain"),
    "send": ("send", "plain"),
    "commit": ("commit", "accent"),
    "rollback": ("rolled back", "bad"),
    "publish": ("published", "plain"),
    "defer": ("deferred", "plain"),
    "kept": ("kept", "wait"),
    "outbox": ("outbox", "wait"),
    "lost": ("lost", "bad"),
    "relay": ("relay", "accent"),
    "start": ("attempt", "plain"),
    "work": ("work", "plain"),
    "success": ("succeeded", "good"),
    "retry": ("retrying", "wait"),
    "discard": ("discarded", "plain"),
    "dead": ("dead letter", "bad"),
    "replay": ("replayed", "accent"),
    "kill": ("killed", "bad"),
    "stop": ("stopped", "wait"),
    "back": ("started", "good"),
    "pause": ("paused", "wait"),
    "resume": ("resumed", "good"),
    "break": ("broken", "bad"),
    "mend": ("mended", "good"),
}
#: What senders and relays tell of a message. A thread may tell it when a worker has run the message already.
OF_SENDING = {"publish", "kept", "outbox", "relay", "lost"}
#: What workers tell of it.
OF_RUNNING = {"start", "retry", "success", "discard", "dead"}
#: After these, nothing more is to come.
ENDED = {"success", "discard"}
#: So many scenes fit on the page.
MOST = 12


@dataclass(frozen=True)
class Line:
    """One moment, and when it was, counted from the first one of its scene."""

    moment: Moment
    after: str

    @property
    def id(self) -> str:
        """Return an id for HTML, which stays the same."""
        return f"m{self.moment.at:.6f}-{self.moment.pid}".replace(".", "-")

    @property
    def text(self) -> str:
        """Return what happened, as it stands behind the word, and nothing where the word says it all."""
        if self.moment.kind in {"publish", "success"}:
            return ""
        return self.moment.what.removeprefix(f"{self.moment.kind} ")

    @property
    def process(self) -> str:
        """Return what the page calls the process."""
        return "web" if self.moment.process == "site" else self.moment.process

    @property
    def word(self) -> str:
        """Return the word for what happened."""
        word = WORDS[self.moment.kind][0]
        return f"{word} {self.moment.attempt}" if self.moment.kind == "start" else word

    @property
    def tone(self) -> str:
        """Return the tone of the word."""
        return WORDS[self.moment.kind][1]


@dataclass(frozen=True)
class Scene:
    """What happened to one order, or one thing that happened to the processes."""

    key: str
    title: str
    time: str
    lines: tuple[Line, ...]

    @property
    def state(self) -> tuple[str, str]:
        """Return a word for how it stands, and its tone."""
        last: dict[str, str] = {}
        for line in self.lines:
            message, kind = line.moment.message, line.moment.kind
            if not message or kind not in OF_RUNNING | OF_SENDING:
                continue
            if kind in OF_RUNNING or last.get(message) not in OF_RUNNING:
                last[message] = kind
        kinds = {line.moment.kind for line in self.lines}
        if "rollback" in kinds:
            return "rolled back", "bad"
        if "dead" in last.values():
            return "dead letter", "bad"
        if "lost" in last.values():
            return "lost", "bad"
        if not ENDED.issuperset(last.values()):
            return "on its way", "wait"
        return ("done", "good") if last else ("waiting", "wait")


def scenes(moments: Iterable[Moment], titles: Mapping[str, str]) -> list[Scene]:
    """Sort moments into scenes, the one with the newest moment first.

    Arguments:
        moments: the moments, the earliest first.
        titles: what was ordered, by the orders' ids.
    """
    found: dict[str, list[Moment]] = {}
    for moment in moments:
        if moment.kind == "request" and not moment.order:
            continue  # a request about no order: a button, or a login
        key = moment.order or moment.message or f"{moment.at:.6f}"
        found.setdefault(key, []).append(moment)
    newest = sorted(found.items(), key=lambda item: item[1][-1].at, reverse=True)
    return [_scene(key, members, titles) for key, members in newest[:MOST]]


def _scene(key: str, members: list[Moment], titles: Mapping[str, str]) -> Scene:
    first = members[0]
    if first.order:
        what = titles.get(first.order)
        title = f"Order {first.number}" + (f": {what}" if what else "")
    else:
        title = first.receiver or first.what
    return Scene(key.replace(".", "-"), title, first.time[:8], tuple(_lines(members)))


def _lines(members: list[Moment]) -> Iterator[Line]:
    for moment in members:
        yield Line(moment, f"{moment.at - members[0].at:.3f}")
