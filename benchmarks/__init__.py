"""Measurements: each in ratios against a peer or a limit that ran in the same process, in turns."""
