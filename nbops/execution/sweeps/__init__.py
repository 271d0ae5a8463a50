"""One notebook, many parameters: each point is a run, and a run of its own keeps what was asked for."""
