"""Resolve, run and settle one message."""
