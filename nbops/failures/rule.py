"""The nine classes that failures fall into, and a rule as data: which failures are of a class, and why."""

from __future__ import annotations

from nbops.records import FailureClass, Record

MEANINGS: dict[FailureClass, str] = {
    "transient": "it may well work when it is tried again: a lock, a busy or slow service, a lost connection",
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


class Rule(Record, omit_defaults=True):
    """Which failures are of a class: all conditions that are set must hold, each of them for the same exception.

    docs/failures.md says what each condition means; `evalue`, `words`, `last`, `code` and `origin` are regular expressions.
    """

    id: str
    failure_class: FailureClass
    why: str
    ename: tuple[str, ...] = ()
    evalue: str = ""
    words: str = ""
    errno: tuple[int, ...] = ()
    http: tuple[int, ...] = ()
    last: str = ""
    code: str = ""
    origin: str = ""
    own: bool | None = None
    on_purpose: bool | None = None
    signal: tuple[int, ...] = ()
    exit_code: tuple[int, ...] = ()
    out_of_memory: bool | None = None
    timed_out: bool | None = None
    ended: bool | None = None
    exit_status: int | None = None

    @property
    def conditions(self) -> dict[str, object]:
        """The conditions that are set, by name."""
        told = {"id", "failure_class", "why", "exit_status"}
        values = {name: getattr(self, name) for name in self.__struct_fields__ if name not in told}
        return {name: value for name, value in values.items() if value not in {(), "", None}}
