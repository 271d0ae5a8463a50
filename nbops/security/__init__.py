"""What may be trusted, and who vouched for it."""
