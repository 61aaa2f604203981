"""Receivers that leave a row when they run."""
