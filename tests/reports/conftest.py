"""Reports are about what a store holds: owners and proofs start quickly."""

from tests.warm import proven, warm

__all__ = ["proven", "warm"]
