"""Data that a pipeline can trust: contracts and what they find, kept beside nothing but a scratch engine."""
