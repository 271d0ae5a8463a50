"""Runs that need not be made again: what a run depends on, whether an earlier one had the same, and why it had not."""
