"""How good a model is, for whom, at what price and with what certainty: plain arrays in, frozen records out. No store, no files."""
