"""A folder of notebooks as a production pipeline: its graph, its runs, what heals them, and when they happen."""
