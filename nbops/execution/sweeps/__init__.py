"""One notebook, many parameters: a driver asks for points, lanes execute them as runs, and a run of its own keeps what was asked for."""
