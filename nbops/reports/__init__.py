"""Pages for people who read: a run's notebook as one file that opens anywhere and runs nothing."""
