"""How good a model is, for whom, and how sure that is: arrays and frames in, records out; nothing is kept and nothing is drawn."""
