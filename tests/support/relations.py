"""Models with relations of every kind. No migration makes their tables; the fixture `tables` does."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import connection, models


class Unmanaged:
    """Options of all of them."""

    app_label = "tests_app"
    managed = False


class Shown(models.Manager["Skill"]):
    """Hide what is archived."""

    def get_queryset(self) -> models.QuerySet["Skill"]:
        return super().get_queryset().filter(archived=False)


class Skill(models.Model):
    """Has a code, to which relations refer, and may be archived."""

    code = models.CharField(max_length=9, unique=True)
    archived = models.BooleanField(default=False)

    objects = Shown()
    everything = models.Manager["Skill"]()

    class Meta(Unmanaged): ...

    def __str__(self) -> str:
        return self.code


class Person(models.Model):
    """Has relations to its own model."""

    friends = models.ManyToManyField("self")
    follows = models.ManyToManyField("self", symmetrical=False, related_name="followers")
    skills = models.ManyToManyField(Skill)

    class Meta(Unmanaged): ...

    def __str__(self) -> str:
        return f"person {self.pk}"


class Team(models.Model):
    """Has members through a model with two keys to people, and skills by their codes."""

    members = models.ManyToManyField(
        Person, through="Membership", through_fields=("team", "member"), related_name="teams"
    )
    needs = models.ManyToManyField(Skill, through="Need")

    class Meta(Unmanaged): ...

    def __str__(self) -> str:
        return f"team {self.pk}"


class Membership(models.Model):
    """Who is in a team, and who invited them."""

    team = models.ForeignKey(Team, models.CASCADE)
    member = models.ForeignKey(Person, models.CASCADE)
    inviter = models.ForeignKey(Person, models.CASCADE, null=True, related_name="+")

    class Meta(Unmanaged): ...

    def __str__(self) -> str:
        return f"{self.member} in {self.team}"


class Need(models.Model):
    """Refers to a skill by its code; its own key has two columns."""

    pk = models.CompositePrimaryKey("team", "skill")
    team = models.ForeignKey(Team, models.CASCADE)
    skill = models.ForeignKey(Skill, models.CASCADE, to_field="code")

    class Meta(Unmanaged): ...

    def __str__(self) -> str:
        return f"{self.team} needs {self.skill}"


class Tagging(models.Model):
    """Refers to anything, as packages for tags do."""

    skill = models.ForeignKey(Skill, models.CASCADE)
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.CharField(max_length=40)
    content_object = GenericForeignKey()

    class Meta(Unmanaged): ...

    def __str__(self) -> str:
        return f"tag of {self.object_id}"


class Liking(models.Model):
    """Refers to a person directly, without a field of a person's."""

    skill = models.ForeignKey(Skill, models.CASCADE)
    person = models.ForeignKey(Person, models.CASCADE)

    class Meta(Unmanaged): ...

    def __str__(self) -> str:
        return f"{self.person} likes {self.skill}"


class Rating(models.Model):
    """Refers to people twice, so that nobody knows which of them is meant."""

    skill = models.ForeignKey(Skill, models.CASCADE)
    rater = models.ForeignKey(Person, models.CASCADE, related_name="+")
    rated = models.ForeignKey(Person, models.CASCADE, related_name="+")

    class Meta(Unmanaged): ...

    def __str__(self) -> str:
        return f"{self.rater} rates {self.rated}"


MODELS: list[Any] = [Skill, Person, Team, Membership, Need, Tagging, Liking, Rating]


@pytest.fixture
def tables(transactional_db: None) -> Iterator[None]:
    """Make the tables for the length of a test."""
    with connection.schema_editor() as editor:
        for model in MODELS:
            editor.create_model(model)
    yield
    with connection.schema_editor() as editor:
        for model in reversed(MODELS):
            editor.delete_model(model)
