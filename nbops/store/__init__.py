"""One DuckDB file that any number of processes share: an owner process alone writes it, everybody else asks.

`client.Store` is what the layers above use; `commands` is how they teach the owner a new verb.
"""
