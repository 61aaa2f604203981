"""Benchmarks: each compares the library with a peer or a limit, by ratios of runs in turns.

``python -m benchmarks`` runs them all; `benchmarks.runs` lists them.
"""
