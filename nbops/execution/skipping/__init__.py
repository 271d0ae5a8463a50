"""Runs that need not be made again, and why others must be."""
