"""What versions of models said of rows, and what turned out to be true: logged in segments, joined when they are asked for."""
