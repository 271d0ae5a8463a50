"""How a model fares in use: whether its rows changed, how good its predictions were, how good they seem to be, and who must know."""
