"""A project with Wagtail and allauth, whose settings and receivers are those of `docs/other-packages.md`.

The packages have an environment of their own (`nox -s packages`).
"""
