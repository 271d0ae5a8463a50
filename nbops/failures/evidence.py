"""What is known when something failed: read from a cell's error output, a traceback's text, an error or an exit status.

Exceptions keep the order in which Python prints them: the first one first.
"""

from __future__ import annotations

import builtins
import re
import traceback
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from nbops.failures.origins import origin
from nbops.records import Record

Link = Literal["", "cause", "context"]

_HUMPS = re.compile(r"(?<=[a-z])(?=[A-Z])")

NEARLY = 0.95
"""A process that was killed with this share of its memory limit in use was killed for it."""


class Frame(Record):
    """One step of a traceback: `code` is the line that ran, `own` whether it is the user's and not a library's."""

    file: str
    function: str
    code: str = ""
    own: bool = True


class Fault(Record):
    """One exception: `bases` are the names of its classes where they are known, `frames` end where it was raised.

    `follows` tells how it came after the exception before it: raised `from` it, or while that one was handled. `origin` is the
    user's statement that led there, and those that made what it names, as far as they are known.
    """

    ename: str = ""
    evalue: str = ""
    bases: tuple[str, ...] = ()
    errno: int | None = None
    http: int | None = None
    frames: tuple[Frame, ...] = ()
    follows: Link = ""
    origin: str = ""

    @property
    def own(self) -> bool | None:
        """Whether it was raised in the user's own code."""
        # A kernel shows no frames of it.
        left = self.ename == "SystemExit" or None
        return self.frames[-1].own if self.frames else left

    @property
    def asked(self) -> str:
        """The line of the user's own code that led there."""
        return next((frame.code for frame in reversed(self.frames) if frame.own), "")

    @property
    def words(self) -> str:
        """Its name, where somebody chose one, and its message."""
        name = "" if hasattr(builtins, self.ename) else _HUMPS.sub(" ", self.ename)
        return f"{name}: {self.evalue}"

    @property
    def on_purpose(self) -> bool:
        """Whether a `raise` made it, or the code left by itself."""
        return self.ename == "SystemExit" or (bool(self.frames) and self.frames[-1].code.startswith("raise"))


class Evidence(Record):
    """All that is known of a failure. Memory in bytes, `seconds` of the limit that was reached.

    `exit_code` and `signal` are those of a process that ended by itself, not of one that was told to leave.
    """

    faults: tuple[Fault, ...] = ()
    exit_code: int | None = None
    signal: int | None = None
    peak_memory: int | None = None
    memory_limit: int | None = None
    oom_kills: int = 0
    timed_out: bool = False
    seconds: float | None = None
    source: str = ""
    cell: int | None = None

    @property
    def ended(self) -> bool:
        """Whether the process ended by itself and left no exception behind."""
        return not self.faults and (self.exit_code is not None or self.signal is not None)

    @property
    def out_of_memory(self) -> bool:
        """Whether memory ran out, or was nearly used up."""
        full = bool(self.memory_limit) and (self.peak_memory or 0) >= NEARLY * (self.memory_limit or 0)
        return self.oom_kills > 0 or full

    @property
    def seen(self) -> str:
        """What happened, in one line."""
        if self.timed_out:
            return "out of time" if self.seconds is None else f"not done after {self.seconds:g} s"
        if self.faults:
            last = self.faults[-1]
            return f"{last.ename}: {last.evalue.strip().partition(chr(10))[0]}".removesuffix(": ")[:300]
        if self.signal is not None:
            return f"ended by signal {self.signal}"
        return "nothing is known" if self.exit_code is None else f"ended with status {self.exit_code}"


def evidence_from_outputs(
    outputs: Iterable[Mapping[str, Any]], *, source: str = "", cell: int | None = None, cells: Sequence[str] = ()
) -> Evidence:
    """What a cell's outputs tell of its failure; `source` and `cell` say where it was, `cells` are the sources that had run."""
    errors = [output for output in outputs if output.get("output_type") == "error"]
    if not errors:
        return Evidence(source=source, cell=cell)
    error = errors[-1]
    *before, last = _faults("\n".join(error.get("traceback", ())))
    told = _fault(str(error.get("ename", "")), str(error.get("evalue", "")), last.frames, follows=last.follows)
    faults = tuple(
        msgspec.structs.replace(fault, origin=_origin(fault, cells)) if cells else fault for fault in (*before, told)
    )
    return Evidence(faults=faults, source=source, cell=cell)


def evidence_from_text(text: str) -> Evidence:
    """What the last traceback in a text tells; or that the interpreter died."""
    died = _FATAL.search(text)
    if died:
        return Evidence(signal=_SIGNALS.get(died[1], _ABORTED))
    return Evidence(faults=tuple(fault for fault in _faults(text) if fault.ename))


def evidence_from_error(error: BaseException) -> Evidence:
    """What an exception tells that was caught in this process."""
    faults: list[Fault] = []
    link: BaseException | None = error
    met: set[int] = set()
    while link is not None and id(link) not in met:
        met.add(id(link))
        frames = tuple(_frame(at.filename, at.name, at.line or "") for at in traceback.extract_tb(link.__traceback__))
        context = None if link.__suppress_context__ else link.__context__
        follows: Link = "cause" if link.__cause__ is not None else "context" if context is not None else ""
        bases = tuple(kind.__name__ for kind in type(link).__mro__)
        faults.append(_fault(type(link).__name__, str(link), frames, bases=bases, follows=follows))
        link = context if link.__cause__ is None else link.__cause__
    return Evidence(faults=tuple(reversed(faults)))


def evidence_from_exit(
    status: int, *, peak_memory: int | None = None, memory_limit: int | None = None, oom_kills: int = 0
) -> Evidence:
    """What the end of a process tells: `status` as `subprocess` gives it (-9) or as a shell does (137)."""
    signal = -status if status < 0 else status - 128 if 128 < status <= 128 + 64 else None
    return Evidence(
        exit_code=None if status < 0 else status,
        signal=signal,
        peak_memory=peak_memory,
        memory_limit=memory_limit,
        oom_kills=oom_kills,
    )


def _origin(fault: Fault, cells: Sequence[str]) -> str:
    """Of the line that failed first, then of those that called it."""
    lines = dict.fromkeys(frame.code for frame in reversed(fault.frames) if frame.own)
    return "\n".join(origin(line, cells) for line in list(lines)[:_CALLS])


_CALLS = 3
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_LINKS: dict[str, Link] = {
    "The above exception was the direct cause of the following exception:": "cause",
    "During handling of the above exception, another exception occurred:": "context",
}
_LINK = re.compile(f"^({'|'.join(map(re.escape, _LINKS))})$", re.MULTILINE)
_HEAD = re.compile(r"^(?:(\w+) +)?Traceback \(most recent call last\):?$", re.MULTILINE)
_PLACES = (
    # IPython's of cells, its own of files, and Python's.
    re.compile(r"^\s*(?P<file>(?:Cell|Input) In ?\[[^\]]*\])(?:, line \d+)?(?:, in (?P<function>.+))?$"),
    re.compile(r'^\s*File "(?P<file>.+?)", line \d+(?:, in (?P<function>.+))?$'),
    re.compile(r"^File (?P<file>.+?):\d+(?:, in (?P<function>.+))?$"),
)
_INNER = re.compile(r"<(list|dict|set)comp>|<genexpr>")
_ARROW = re.compile(r"^-+> \d+ (.*)$")
_RAISED = re.compile(r"^([A-Za-z_][\w.]*)(?:: (.*))?$", re.DOTALL)
_LIBRARY = re.compile(r"(site|dist)-packages/|/lib/python\d|^<frozen |^<__array_function__|\.(pyx|pxi|pxd)$")
# As Python, urllib3 and DuckDB put it.
_ERRNO = re.compile(r"\[Errno (-?\d+)\]|Error\((\d+), |\"errno\":\"(\d+)\"")
# As urllib, requests, httpx, aiohttp, DuckDB and urllib3 put it; then as most others do. What is quoted is somebody else's word.
_HTTP = re.compile(
    r"^HTTP Error (\d{3})\b|^(\d{3}) (?:Client|Server) Error: |^(?:Client|Server) error '(\d{3}) |^(\d{3}), message=|\(HTTP (\d{3})\b"
    r"|^too many (\d{3}) error responses|^[^'\"]*?\b(?:HTTP|[Ss]tatus(?: ?[Cc]ode)?)[ :=]+([45]\d\d)\b"
    r"|^[^'\"]*?\b(?:returned|answered|replied|responded)(?: with)? ([45]\d\d)(?=$|[^\w ]| [A-Z])"
    r"|\b(?:got|received) ([45]\d\d) (?:from|for) (?=https?:)"
    # By the client of Google's clouds, by those of Amazon's, and by whoever gives the reason with the number.
    r"|^([45]\d\d) (?:GET|HEAD|POST|PUT|PATCH|DELETE|Not found:) ?|^An error occurred \(([45]\d\d)\) when calling "
    r"|^[^'\"]*?\b([45]\d\d):? (?:Bad Request|Unauthorized|Forbidden|Not Found|Method Not Allowed|Request Timeout|Conflict|Gone"
    r"|Unprocessable (?:Content|Entity)|Too Many Requests|Internal Server Error|Bad Gateway|Service Unavailable|Gateway Time-?out)\b"
)
# As Python's faulthandler names a signal; any other fatal error of the interpreter ends in abort().
_FATAL = re.compile(r"^Fatal Python error: (.*)$", re.MULTILINE)
_SIGNALS = {"Illegal instruction": 4, "Bus error": 7, "Floating point exception": 8, "Segmentation fault": 11}
_ABORTED = 6


def _faults(text: str) -> list[Fault]:
    """At least one."""
    pieces = ["", *_LINK.split(_COLOURS.sub("", text))]
    return [_one(part, _LINKS.get(link, "")) for link, part in zip(pieces[::2], pieces[1::2], strict=True)]


def _one(part: str, follows: Link) -> Fault:
    # An error that comes from another process carries the traceback of that one in its text.
    heads = list(_HEAD.finditer(part))
    lines = (part[heads[-1].end() :] if heads else part).splitlines()
    frames, end = _frames(lines)
    for number, line in enumerate(lines[end:] if heads or frames else (), start=end):
        raised = _RAISED.match(line)
        if raised:
            rest = "\n".join([raised[2] or "", *lines[number + 1 :]]).rstrip()
            return _fault(raised[1].rpartition(".")[2], rest, frames, follows=follows)
    return Fault(frames=frames, follows=follows)


def _frames(lines: list[str]) -> tuple[tuple[Frame, ...], int]:
    """The frames, and the number of the first line behind the last one's head."""
    frames: list[Frame] = []
    end = 0
    for number, line in enumerate(lines):
        place = next(filter(None, (pattern.match(line) for pattern in _PLACES)), None)
        if place:
            end = number + 1
            function = place["function"] or ""
            # IPython shows wrong lines there; what is written around a comprehension stands in the frame before.
            shown = frames[-1].code if frames and _INNER.match(function) else _code(lines[end:])
            frames.append(_frame(place["file"], function, shown))
    return tuple(frames), end


def _code(lines: list[str]) -> str:
    """The line that ran, of those behind a frame's head: the one with IPython's arrow, else the first."""
    for number, line in enumerate(lines):
        arrow = _ARROW.match(line)
        if arrow:
            return arrow[1].strip()
        if not line or any(pattern.match(line) for pattern in _PLACES):
            lines = lines[:number]
            break
    return lines[0].strip() if lines and lines[0].startswith("    ") else ""


def _frame(file: str, function: str, code: str) -> Frame:
    return Frame(file=file, function=function.partition("(")[0], code=code, own=not _LIBRARY.search(file))


def _fault(
    ename: str,
    evalue: str,
    frames: tuple[Frame, ...],
    *,
    bases: tuple[str, ...] = (),
    follows: Link = "",
) -> Fault:
    while ename == "AttributeError" and len(frames) > 1 and frames[-1].function.endswith("__getattr__"):
        # It only answers: who asked is the one before.
        frames = frames[:-1]
    number = _ERRNO.search(evalue)
    status = _HTTP.search(evalue)
    return Fault(
        ename=ename,
        evalue=evalue,
        bases=bases,
        errno=int(next(filter(None, number.groups()))) if number else None,
        http=int(next(filter(None, status.groups()))) if status else None,
        frames=frames,
        follows=follows,
    )
