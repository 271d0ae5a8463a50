"""Judging models by numbers alone: what they answer, how good that is with what certainty, and whether it suffices. No store, no files."""
