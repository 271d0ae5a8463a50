"""A rule as data: which failures are of a class, and why."""

from __future__ import annotations

from nbops.records import FailureClass, Record


class Rule(Record, omit_defaults=True):
    """Which failures are of a class: all conditions that are set must hold, each of them for the same exception.

    `ename` holds names, one of which is the exception's class or one of its bases. The others that are text are regular expressions:
    `evalue` is searched in the beginning of the message, `words` also in the class's name unless it is one of Python's own, `last` in
    `file:function` of the frame that raised it, `code` in the line that ran there with the message in the next line. `own` is whether
    that frame is the user's own code, `on_purpose` whether its line is a `raise`. `ended` means that the process ended by itself and
    left no exception.
    `why` is told to people.
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
