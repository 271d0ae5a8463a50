"""Schedules: what runs when, in whose time zone, what happens to times that were missed; each nominal time is run once."""
