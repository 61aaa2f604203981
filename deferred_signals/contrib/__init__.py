"""Telemetry, each kind behind an extra: nothing in here is imported until a project does so."""
