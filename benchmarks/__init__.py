"""Comparisons of nbops with its peer in one run on one machine: `python -m benchmarks [NAME ...]`. See README.md here."""
