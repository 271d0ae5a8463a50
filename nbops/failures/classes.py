"""The nine classes that failures fall into: what each means, and the exit status of a run that ends with it."""

from __future__ import annotations

from nbops.records import FailureClass

MEANINGS: dict[FailureClass, str] = {
    "transient": "it may well work when it is tried again: a lock, a busy service, a lost connection",
    "data_access": "the data cannot be had: it is not there, cannot be reached or read, or the source refuses",
    "schema_change": "the data came in another shape: a column or table is missing, or of another type",
    "dirty_rows": "some values are not what they should be: missing, unreadable, doubled",
    "resource": "memory, disk, file handles or a limit of the system ran out",
    "kernel_death": "the process died and left no reason",
    "timeout": "a limit of time was reached that somebody set for the cell, step or run",
    "code_bug": "the code is wrong; trying again changes nothing",
    "environment": "the surroundings are not fit: a package, kernel, program or variable is missing or does not fit",
}

# What was transient has been tried again before a run ends with it: the run then lacks what it came for, as with data_access.
EXIT_STATUSES: dict[FailureClass, int] = {
    "transient": 20,
    "data_access": 20,
    "schema_change": 20,
    "dirty_rows": 20,
    "resource": 22,
    "kernel_death": 24,
    "timeout": 23,
    "code_bug": 25,
    "environment": 26,
}
"""By class; a rule may know better, as for a broken contract (21)."""
