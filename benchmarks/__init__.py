"""Measurements: each in ratios against a peer or a limit that ran in turns with it.

``python -m benchmarks`` runs them all; `benchmarks.runs` lists them.
"""
