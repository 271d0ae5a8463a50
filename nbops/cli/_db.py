"""`nbops db …`: look after the store's file."""
