"""Who is told of what: messages are kept with what they tell of, and delivered afterwards, at least once."""
