"""`register_type()`: types of a project's own that travel to every receiver."""

import json
from fractions import Fraction
from typing import Any, NamedTuple

import pytest
from django.db.models import TextChoices

from deferred_signals import DecodeError, RegistrationError, register_type
from deferred_signals.serialization import CODEC, Codec, Unencodable, codec_for
from tests.support.known_types import receive


@pytest.fixture(scope="module")
def codec() -> Codec:
    return codec_for(receive)


def there_and_back(codec: Codec, value: object) -> Any:
    return codec.decode(json.loads(json.dumps(codec.encode(value), allow_nan=False)))


class Registered(TextChoices):
    YES = "yes"


class Late(NamedTuple):
    x: int


class Money:
    def __init__(self, cents: int) -> None:
        self.cents = cents

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and other.cents == self.cents

    def __hash__(self) -> int:
        return hash(self.cents)


class Coin(Money): ...


def from_cents(cents: Any) -> Money:
    return Money(cents)


def to_cents(money: Money) -> int:
    return money.cents


def test_registered_type_travels_to_every_receiver(codec: Codec) -> None:
    register_type(Registered)
    assert there_and_back(CODEC, {Registered.YES}) == {Registered.YES}
    assert there_and_back(codec, [Registered.YES])[0] is Registered.YES


def test_type_that_was_refused_once_may_be_registered_later(codec: Codec) -> None:
    with pytest.raises(Unencodable):
        codec.encode(Late(1))
    register_type(Late)
    assert there_and_back(codec, Late(1)) == Late(1)


def test_functions_teach_any_type(codec: Codec) -> None:
    for _ in range(2):  # a module reload does it again
        register_type(Money, encode=to_cents, decode=from_cents, tag="tests.money")
    for one in (codec, CODEC):
        assert there_and_back(one, {Money(7): [Money(1)]}) == {Money(7): [Money(1)]}
    with pytest.raises(Unencodable):  # types derived from it are not meant
        CODEC.encode(Coin(1))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"cls": 7}, "takes a class, got 7"),
        ({"cls": Fraction}, "no enum, dataclass, named tuple or class of fields"),
        ({"cls": Coin, "encode": to_cents}, "needs all of"),
        ({"cls": Coin, "encode": to_cents, "decode": from_cents}, "needs all of"),
        ({"cls": Coin, "encode": to_cents, "decode": from_cents, "tag": ""}, "needs all of"),
        ({"cls": Coin, "encode": to_cents, "decode": from_cents, "tag": 7}, "needs all of"),
        ({"cls": Coin, "encode": 7, "decode": from_cents, "tag": "x"}, "needs all of"),
        ({"cls": Coin, "encode": to_cents, "decode": from_cents, "tag": "set"}, "is taken"),
        ({"cls": set, "encode": list, "decode": set, "tag": "my-set"}, "can travel already"),
        ({"cls": str, "encode": str, "decode": str, "tag": "my-str"}, "can travel already"),
    ],
    ids=map(str, range(10)),
)
def test_wrong_registration_is_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(RegistrationError, match=words):
        register_type(**arguments)


def test_tag_of_another_type_is_refused_by_its_name() -> None:
    register_type(Money, encode=to_cents, decode=from_cents, tag="tests.money")
    with pytest.raises(RegistrationError, match=r"taken by .*Money"):
        register_type(Coin, encode=to_cents, decode=from_cents, tag="tests.money")


def test_decoder_that_fails_is_a_decode_error() -> None:
    class Odd: ...

    def fail(parts: object) -> Odd:
        raise RuntimeError(parts)

    register_type(Odd, encode=lambda odd: 1, decode=fail, tag="tests.odd")
    with pytest.raises(DecodeError, match=r"tests\.odd|RuntimeError"):
        CODEC.decode({"$tests.odd": 1})
