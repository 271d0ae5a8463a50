"""Notebooks executed headlessly by Papermill, with a run that tells how it went."""
