"""A folder of notebooks as a pipeline, and when it runs."""
