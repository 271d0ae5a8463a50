"""Steps that are no notebooks: a file's text goes in, a notebook of the same cells comes out, and runs like any other."""
