"""Experiments and their runs: recorded, found, compared."""
