"""Fields of the kinds that packages bring: types of their own, and conversions that run code."""

import base64
import json
import pickle
from decimal import Decimal
from typing import Any

from django.db import models

#: The code that ran, and that a message must not make run.
RAN: list[str] = []


class Code:
    """A primary key of a type of its own, as hashids have it."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Code) and other.number == self.number

    def __hash__(self) -> int:
        return hash(self.number)

    def __str__(self) -> str:
        return f"code-{self.number}"


class CodeAutoField(models.BigAutoField):  # type: ignore[type-arg]  # no generic when it runs
    """Keys that are a `Code` in Python, and a number in the database."""

    def from_db_value(self, value: Any, *_: object) -> Any:
        return self.to_python(value)

    def to_python(self, value: Any) -> Any:
        return value if value is None or isinstance(value, Code) else Code(int(value))

    def get_prep_value(self, value: Any) -> Any:
        return value.number if isinstance(value, Code) else super().get_prep_value(value)


class Money:
    """An amount with a currency."""

    def __init__(self, amount: Decimal) -> None:
        self.amount = amount

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and other.amount == self.amount

    def __hash__(self) -> int:
        return hash(self.amount)


class MoneyField(models.DecimalField):  # type: ignore[type-arg]  # no generic when it runs
    """Holds a `Money`."""

    def from_db_value(self, value: Any, *_: object) -> Any:
        return self.to_python(value)

    def to_python(self, value: Any) -> Any:
        return value if value is None or isinstance(value, Money) else Money(Decimal(value))

    def get_prep_value(self, value: Any) -> Any:
        return value.amount if isinstance(value, Money) else value

    def get_db_prep_value(self, value: Any, connection: Any, *_: Any, **__: Any) -> Any:
        return connection.ops.adapt_decimalfield_value(
            self.get_prep_value(value), self.max_digits, self.decimal_places
        )


class Blocks:
    """What a `BlocksField` holds."""

    def __init__(self, blocks: list[Any]) -> None:
        self.blocks = blocks


class BlocksField(models.JSONField):
    """A JSONField with a type of its own, as a stream of blocks is."""

    def from_db_value(self, value: Any, *_: object) -> Any:
        return self.to_python(value)

    def to_python(self, value: Any) -> Any:
        RAN.append("blocks")
        if isinstance(value, Blocks):
            return value
        return Blocks(json.loads(value) if isinstance(value, str) else value or [])

    def get_prep_value(self, value: Any) -> Any:
        return value.blocks if isinstance(value, Blocks) else value


class PickledField(models.TextField):  # type: ignore[type-arg]  # as above
    """Unpickles whatever it is given."""

    def from_db_value(self, value: Any, *_: object) -> Any:
        return self.to_python(value)

    def to_python(self, value: Any) -> Any:
        try:
            return pickle.loads(base64.b64decode(value))  # noqa: S301 - what this field is about
        except (TypeError, ValueError, pickle.UnpicklingError):
            return value

    def get_prep_value(self, value: Any) -> Any:
        return base64.b64encode(pickle.dumps(value)).decode()


class NoisyField(models.CharField):  # type: ignore[type-arg]  # as above
    """Has a side effect when it reads a value."""

    def to_python(self, value: Any) -> Any:
        RAN.append("noisy")
        return super().to_python(value)


class EncryptedTextField(models.TextField):  # type: ignore[type-arg]  # as above
    """Stands for those that encrypt what they store."""
