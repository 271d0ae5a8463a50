"""Is a model in production still what it was when it was approved: its data, its predictions, and how often it is right."""
