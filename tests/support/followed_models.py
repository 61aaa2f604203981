"""Models whose changes are hard to follow; the fixture `followed_tables` makes their tables.

They are not managed, so that they need no migration, and other tests have no such tables.
"""

from collections.abc import Iterator
from typing import Any, ClassVar, Self

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, models
from django.db.models.functions import Concat
from django.utils.text import slugify
from pytest_django import DjangoDbBlocker


class Phone:
    """A value of a type of its own, as a package's field gives it."""

    def __init__(self, text: str) -> None:
        self.digits = "".join(filter(str.isdigit, text))


class PhoneField(models.CharField):  # type: ignore[type-arg]  # not generic when it runs
    """Store the digits of a value."""

    def to_python(self, value: Any) -> Any:
        return value if value is None or isinstance(value, Phone) else Phone(value)

    def get_prep_value(self, value: Any) -> Any:
        value = self.to_python(value)
        return value and value.digits


class PickyField(models.CharField):  # type: ignore[type-arg]  # the same
    """Refuse to convert a text with a question mark."""

    def to_python(self, value: Any) -> Any:
        if "?" in str(value):
            raise ValidationError("no questions")
        return super().to_python(value)

    def get_prep_value(self, value: Any) -> Any:
        return value


class SlugOfName(models.CharField):  # type: ignore[type-arg]  # the same
    """Set the field's value when the row is saved."""

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        value = slugify(model_instance.name)  # type: ignore[attr-defined]  # of its model alone
        setattr(model_instance, self.attname, value)
        return value


class EncryptedTextField(models.TextField):  # type: ignore[type-arg]  # the same
    """Counts as a field that encrypts, by its name alone."""


class Span:
    """A mutable value of a type that JSON does not know."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __deepcopy__(self, memo: object) -> Self:
        raise TypeError("a span cannot be copied")


class SpanField(models.Field):  # type: ignore[type-arg]  # the same
    """Give values of an unknown type."""

    def get_internal_type(self) -> str:
        return "TextField"

    def from_db_value(self, value: Any, *_: Any) -> Any:
        return value if value is None else Span(value)

    def get_prep_value(self, value: Any) -> Any:
        return value

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:  # noqa: FBT002 - Django's
        return value.text if isinstance(value, Span) else value


class Dated(models.Model):
    """An abstract parent."""

    on = models.DateField(null=True)
    at = models.DateTimeField(null=True)

    class Meta:
        abstract = True


class Followed(Dated):
    """A field of each kind that needs care."""

    name = models.CharField(max_length=100, default="")
    code = models.CharField(max_length=20, db_default="new")
    count = models.IntegerField(default=0)
    slug = SlugOfName(max_length=100, default="")
    phone = PhoneField(max_length=100, null=True)
    picky = PickyField(max_length=100, default="")
    span = SpanField(null=True)
    blob = models.BinaryField(null=True)
    tags = models.JSONField(default=list)
    photo = models.FileField(upload_to="photos", null=True)
    api_key = models.CharField(max_length=100, default="")
    diary = EncryptedTextField(default="")
    title = models.GeneratedField(
        expression=Concat("name", models.Value("!")),
        output_field=models.CharField(max_length=101),
        db_persist=True,
    )

    objects: ClassVar[models.Manager["Followed"]] = models.Manager()

    class Meta:
        app_label = "tests_app"
        managed = False

    def __str__(self) -> str:
        return str(self.name)


class FollowedOddly(models.Model):
    """Has its own ways to be made, loaded and refreshed."""

    name = models.CharField(max_length=100, default="")
    other = models.CharField(max_length=100, default="")

    objects: ClassVar[models.Manager["FollowedOddly"]] = models.Manager()

    class Meta:
        app_label = "tests_app"
        managed = False

    def __str__(self) -> str:
        return str(self.name)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.name_when_made = self.__dict__.get("name")

    @classmethod
    def from_db(cls, *args: Any, **kwargs: Any) -> Self:
        made = super().from_db(*args, **kwargs)
        made.loaded = True  # type: ignore[attr-defined]  # what projects do here
        return made

    def refresh_from_db(self, *args: Any, **kwargs: Any) -> None:
        super().refresh_from_db(*args, **kwargs)
        self.refreshed = True


class FollowedEagerly(FollowedOddly):
    """Reads a field when it is made, and so loads it where it is deferred."""

    objects: ClassVar[models.Manager["FollowedEagerly"]] = models.Manager()

    class Meta:
        app_label = "tests_app"
        proxy = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.name_when_made = self.name


class FollowedByCode(models.Model):
    """Its key is given by hand."""

    code = models.CharField(max_length=20, primary_key=True)
    state = models.CharField(max_length=20, default="new")

    objects: ClassVar[models.Manager["FollowedByCode"]] = models.Manager()

    class Meta:
        app_label = "tests_app"
        managed = False

    def __str__(self) -> str:
        return str(self.code)


MODELS: list[type[models.Model]] = [Followed, FollowedOddly, FollowedByCode]
__all__ = [
    "MODELS",
    "Followed",
    "FollowedByCode",
    "FollowedEagerly",
    "FollowedOddly",
    "Phone",
    "Span",
]


@pytest.fixture(scope="session")
def followed_tables(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Make the tables of these models, for the whole session."""
    with django_db_blocker.unblock():
        with connection.schema_editor() as editor:
            for model in MODELS:
                editor.create_model(model)
        yield
        with connection.schema_editor() as editor:
            for model in MODELS:
                editor.delete_model(model)
