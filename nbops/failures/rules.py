"""What a failure is: rules as data, tried in order, and the one function that applies them.

Evidence flows in, a verdict flows out; nothing is read, written or tried again here. A distribution adds rules of its own through
the entry point group `nbops.failure_rules`: each entry is an iterable of `Rule`, tried before the built-in ones.
"""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Iterable, Sequence

from nbops.errors import EXITS, UsageError
from nbops.failures.classes import EXIT_STATUSES
from nbops.failures.evidence import Evidence, Fault
from nbops.records import FailureClass, Record

GROUP = "nbops.failure_rules"


class Rule(Record, omit_defaults=True):
    """Which failures are of a class: all conditions that are set must hold, each of them for the same exception.

    `ename` holds names, one of which is the exception's class or one of its bases. `evalue` and `last` are regular expressions,
    searched in the message and in `file:function` of the frame that raised it. `own` is whether that frame is the user's own code,
    `on_purpose` whether its line is a `raise`. `ended` means that the process ended by itself and left no exception.
    `why` is told to people.
    """

    id: str
    failure_class: FailureClass
    why: str
    ename: tuple[str, ...] = ()
    evalue: str = ""
    errno: tuple[int, ...] = ()
    http: tuple[int, ...] = ()
    last: str = ""
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


class Verdict(Record):
    """What a failure is, by which rule, and the exit status of a run that ends with it; `sentence` tells why."""

    failure_class: FailureClass
    rule: str
    sentence: str
    exit_status: int


def classify(evidence: Evidence, rules: Sequence[Rule] | None = None) -> Verdict:
    """The class of a failure; `rules` instead of all that are known. What no rule fits is a code bug, which nobody tries again."""
    order = _judged(evidence.faults)
    for group in (rules,) if rules is not None else (extension_rules(), RULES):
        for fault in order:
            for rule in group:
                if rule is not _OTHERWISE and _fits(rule, evidence, fault):
                    return _verdict(rule)
    return _verdict(_OTHERWISE)


def all_rules() -> tuple[Rule, ...]:
    """Every rule in the order in which they are tried."""
    return extension_rules() + RULES


@functools.cache
def extension_rules() -> tuple[Rule, ...]:
    """The rules of installed distributions; one that cannot be loaded is told as a warning and left out."""
    from importlib.metadata import entry_points

    found: list[Rule] = []
    for entry in entry_points(group=GROUP):
        try:
            found += _checked(entry.load())
        # What a module of somebody else's raises while it is imported has no common name below Exception.
        except (ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, NameError, OSError, RuntimeError,
                SyntaxError, TypeError, ValueError) as error:  # fmt: skip
            warnings.warn(
                f"The failure rules of {entry.name!r} ({entry.value}) are left out: {type(error).__name__}: {error}",
                stacklevel=2,
            )
    return tuple(found)


def _checked(rules: Iterable[object]) -> list[Rule]:
    checked = []
    for rule in rules:
        if not isinstance(rule, Rule):
            raise UsageError(f"{rule!r} is no rule.", hint="Give instances of nbops.failures.Rule.")
        if not rule.conditions:
            raise UsageError(
                f"Rule {rule.id!r} has no condition, so every failure would be {rule.failure_class}.",
                hint="Give it an ename, evalue or any other condition.",
            )
        for pattern in (rule.evalue, rule.last):
            try:
                re.compile(pattern)
            except re.error as error:
                raise UsageError(
                    f"Rule {rule.id!r} has no regular expression in {pattern!r}: {error}.",
                    hint="Escape what is meant as text: re.escape(…).",
                ) from error
        checked.append(rule)
    return checked


def _judged(faults: Sequence[Fault]) -> list[Fault]:
    """The exceptions of a chain, the one that most likely is the cause first.

    A library raises an error of its own while it handles one because that tells more: the one before it comes second. What a
    handler of the user's raises, `from` the error or by a plain `raise`, hides it: the one before it comes first. What slipped out
    of a handler of the user's has nothing to do with what was handled there.
    """
    order: list[Fault] = []
    for before, fault in zip((None, *faults), faults, strict=False):
        # The traceback of what was handled begins where it was caught; that of another process repeats the same error.
        if before and before.frames and not before.frames[0].own and before.ename != fault.ename:
            order = [fault, *order]
        elif fault.follows == "cause" or (fault.own and fault.on_purpose):
            order = [*order, fault]
        else:
            order = [fault]
    return order or [Fault()]


def _fits(rule: Rule, evidence: Evidence, fault: Fault) -> bool:
    last = f"{fault.frames[-1].file}:{fault.frames[-1].function}" if fault.frames else ""
    return (
        (not rule.ename or not {fault.ename, *fault.bases}.isdisjoint(rule.ename))
        and all(
            not wanted or found in wanted
            for wanted, found in (
                (rule.errno, fault.errno), (rule.http, fault.http), (rule.signal, evidence.signal), (rule.exit_code, evidence.exit_code),
            )
        )
        and all(
            wanted is None or found is wanted
            for wanted, found in (
                (rule.own, fault.own), (rule.on_purpose, fault.on_purpose), (rule.out_of_memory, evidence.out_of_memory),
                (rule.timed_out, evidence.timed_out), (rule.ended, evidence.ended),
            )
        )
        and bool(re.search(rule.evalue, fault.evalue))
        and bool(re.search(rule.last, last))
    )  # fmt: skip


def _verdict(rule: Rule) -> Verdict:
    status = EXIT_STATUSES[rule.failure_class] if rule.exit_status is None else rule.exit_status
    return Verdict(failure_class=rule.failure_class, rule=rule.id, sentence=rule.why, exit_status=status)


# Every error of nbops ends with its remedy; other libraries have a NotFound and a Conflict too.
_NBOPS = r"\nHint: "

_LIMITS = (
    Rule("limit.time", "timeout", "A limit of time for the cell, step or run was reached.", timed_out=True),
    Rule("limit.cell", "timeout", "A cell took longer than it may.", ename=("CellTimeoutError", "CellTimeout")),
    Rule(
        "limit.query", "timeout", "A query of the store was stopped at its time limit.", ename=("QueryTimeout",), evalue=_NBOPS
    ),
    Rule("limit.memory", "resource", "The process was killed because memory ran out.", signal=(9,), out_of_memory=True),
    Rule("limit.signal", "resource", "The process was ended at its limit of CPU time or file size.", signal=(24, 25)),
)  # fmt: skip

_OURS = (
    Rule(
        "contract.violated", "dirty_rows", "The data breaks its contract.", ename=("ContractViolation",), exit_status=21
    ),
    Rule(
        "store.unfit", "environment", "The project's store is damaged, read-only or of another version.",
        ename=("StoreReadOnly", "StoreCorrupt", "StoreVersion"), evalue=_NBOPS, exit_status=EXITS["store"].status,
    ),
    Rule(
        "store.unavailable", "transient", "The project's store could not be reached at the moment.",
        ename=("StoreUnavailable", "StoreHeld"), evalue=_NBOPS, exit_status=EXITS["store.unavailable"].status,
    ),
    Rule(
        "store.full", "resource", "The disk of the project's store is full.",
        ename=("StoreFull",), evalue=_NBOPS, exit_status=EXITS["store.full"].status,
    ),
    Rule(
        "store.failed", "environment", "The project's store failed.",
        ename=("StoreError",), evalue=_NBOPS, exit_status=EXITS["store"].status,
    ),
    Rule(
        "model.trust", "environment", "Loading the model would run something that nobody vouched for.",
        ename=("TrustRefused",), evalue=_NBOPS, exit_status=EXITS["model.trust"].status,
    ),
    Rule(
        "model.unfit", "environment", "A model cannot be saved or loaded in this environment.",
        ename=("ModelError",), evalue=_NBOPS,
    ),
    Rule(
        "nbops.usage", "code_bug", "nbops is called in a way that it refuses.", evalue=_NBOPS,
        ename=("UsageError", "ConfigError", "FilterError", "ParameterError", "PathRefused", "Ambiguous", "Conflict", "QueryError"),
    ),
    Rule(
        "nbops.missing", "data_access", "The project has no run, model or file of that name.",
        ename=("NotFound",), evalue=_NBOPS,
    ),
)  # fmt: skip

_SURROUNDINGS = (
    Rule(
        "import.own", "code_bug", "A module of the project has no such name.", ename=("ImportError",),
        evalue=r"^cannot import name .+ \((?!unknown location|.*(?:(?:site|dist)-packages/|/lib/python\d))",
    ),
    Rule(
        "import.missing", "environment", "A package, or a part of it, is missing or does not fit.",
        ename=("ImportError", "ModuleNotFoundError", "PackageNotFoundError", "DistributionNotFound", "VersionConflict"),
    ),
    Rule(
        "binary.unfit", "environment", "A compiled library does not fit this system or another package.",
        evalue=r"GLIBC|cannot open shared object file|undefined symbol|invalid ELF header|binary incompatibility|compiled using NumPy",
        on_purpose=False,
    ),
    Rule(
        "library.mismatch", "environment", "A library asks another one for what it does not have: their versions do not fit.",
        ename=("AttributeError",), evalue=r"^module '.+' has no attribute", own=False,
    ),
    Rule(
        "library.syntax", "environment", "A library is written for another version of Python.",
        ename=("SyntaxError", "IndentationError"), own=False,
    ),
    Rule(
        "program.missing", "environment", "A program is not installed or cannot be run.",
        ename=("FileNotFoundError", "PermissionError", "OSError"), errno=(2, 8, 13), last=r"subprocess\.py:.*_execute_child$",
    ),
    Rule(
        "program.unfound", "environment", "A shell did not find the program, or could not run it.",
        ename=("CalledProcessError",), evalue=r"exit status 12[67]\b",
    ),
    Rule(
        "variable.missing", "environment", "An environment variable is not set.",
        ename=("KeyError",), last=r"(<frozen os>|/os\.py):(_Environ\.)?__getitem__$",
    ),
    Rule("kernel.missing", "environment", "There is no kernel of that name.", ename=("NoSuchKernel",)),
    Rule(
        "kernel.start", "environment", "The kernel did not start.",
        ename=("RuntimeError",), evalue=r"^Kernel (died before replying|didn't respond)",
    ),
    Rule(
        "notebook.unreadable", "environment", "The file is no notebook.",
        ename=("NotJSONError", "NotebookValidationError"),
    ),
    Rule(
        "system.unfit", "environment", "The file system is read-only, or an address is taken.",
        ename=("OSError",), errno=(30, 98),
    ),
    Rule("timezone.missing", "environment", "The system knows no such time zone.", ename=("ZoneInfoNotFoundError",)),
)  # fmt: skip

_SLIPS = (
    Rule(
        "value.mixed", "dirty_rows", "A column holds values of several kinds.", ename=("TypeError",), last=r"pandas[./]",
        evalue=r"not supported between instances of",
    ),
    Rule(
        "code.slip", "code_bug", "The code is wrong.",
        ename=(
            "NameError", "UnboundLocalError", "ZeroDivisionError", "AssertionError", "NotImplementedError", "RecursionError",
            "SyntaxError", "IndentationError", "TabError",
        ),
    ),
    Rule(
        "code.type", "code_bug", "The code uses a value as what it is not.", ename=("TypeError", "AttributeError"),
        evalue=r"^(?![Cc]ould not convert)",
    ),
)  # fmt: skip

_RESOURCES = (
    Rule(
        "memory.exhausted", "resource", "Memory ran out.",
        ename=("MemoryError", "_ArrayMemoryError", "ArrowMemoryError", "OutOfMemoryException", "OutOfMemoryError"),
    ),
    Rule(
        "system.exhausted", "resource", "Disk, memory or file handles ran out.",
        ename=("OSError", "IOException", "ArrowIOError", "BlockingIOError"), errno=(11, 12, 23, 24, 27, 28, 122),
    ),
    Rule(
        "system.told", "resource", "Disk, memory, threads or file handles ran out.", on_purpose=False,
        ename=("OSError", "IOException", "OperationalError", "RuntimeError", "error", "FatalException"),
        evalue=r"No space left on device|(disk|database) is full|Disk quota exceeded|can't start new thread|Too many open files"
               r"|Cannot allocate memory|out of memory|bad_alloc",
    ),
    Rule(
        "pool.memory", "resource", "A worker process was killed because memory ran out.",
        ename=("BrokenProcessPool", "TerminatedWorkerError"), out_of_memory=True,
    ),
    Rule(
        "pool.died", "kernel_death", "A worker process died.", ename=("BrokenProcessPool", "TerminatedWorkerError")
    ),
    Rule(
        "program.killed", "kernel_death", "A program that the code started was killed.",
        ename=("CalledProcessError",), evalue=r"died with <Signals",
    ),
    Rule("kernel.died", "kernel_death", "The kernel or its runner died.", ename=("DeadKernelError", "KernelDied", "RunLost")),
    Rule("process.ended", "kernel_death", "The process ended and left no reason.", ended=True),
)  # fmt: skip

_SOURCES = (
    Rule(
        "file.archive", "data_access", "A file is damaged, empty or cut off.",
        ename=("ReadError",), evalue=r"^(file could not be opened|not an? |empty |truncated |bad )|unexpected end of data|invalid header",
    ),
    Rule("http.busy", "transient", "The service is busy or was down for a moment.", http=(408, 425, 429, 502, 503, 504)),
    Rule("http.refused", "data_access", "The source refuses: who asks is not known or may not.", http=(401, 403, 407)),
    Rule("http.request", "code_bug", "The request is wrong, says the service.", http=(400, 405, 406, 411, 413, 414, 415, 422)),
    Rule("address.wrong", "code_bug", "That is no address.", ename=("URLError",), evalue=r"unknown url type|no host given"),
    Rule("http.failed", "data_access", "The source does not have it, or failed.", http=(404, 409, 410, 423, 451, 500, 501, 505, 507, 508)),
    Rule(
        "source.unreachable", "data_access", "The source cannot be reached: its name is unknown, or nobody answers there.",
        errno=(-5, -3, -2, 101, 111, 113),
    ),
    Rule(
        "source.unknown", "data_access", "The source cannot be reached: its name is unknown, or nobody answers there.",
        ename=("ConnectionRefusedError", "gaierror", "NameResolutionError"),
    ),
    Rule(
        "source.untrusted", "data_access", "The source cannot prove who it is.",
        ename=("SSLCertVerificationError", "SSLError", "URLError", "ConnectError"), evalue=r"CERTIFICATE_VERIFY_FAILED",
    ),
    Rule(
        "lock.held", "transient", "Somebody else works on the database at the moment.",
        ename=("IOException", "OperationalError", "DatabaseError", "InternalError"),
        evalue=r"Could not set lock on file|database (table |schema )?is locked|[Dd]eadlock|could not serialize|Lock wait timeout",
    ),
    Rule(
        "lock.lost", "transient", "Two transactions changed the same rows.",
        ename=("SerializationFailure", "DeadlockDetected", "LockNotAvailable"),
    ),
    Rule(
        "lock.conflict", "transient", "Two transactions changed the same rows.", ename=("TransactionException",), evalue=r"[Cc]onflict"
    ),
    Rule(
        "answer.late", "transient", "A service did not answer in time.",
        ename=(
            "TimeoutError", "Timeout", "ReadTimeout", "ConnectTimeout", "WriteTimeout", "PoolTimeout", "ReadTimeoutError",
            "ConnectTimeoutError", "ServerTimeoutError", "TimeoutExpired",
        ),
    ),
    Rule("answer.slow", "transient", "A service did not answer in time.", ename=("URLError", "ConnectionError"), evalue=r"timed out"),
    Rule(
        "connection.lost", "transient", "The connection was lost.",
        ename=(
            "ConnectionResetError", "ConnectionAbortedError", "BrokenPipeError", "RemoteDisconnected", "IncompleteRead",
            "ContentTooShortError", "ChunkedEncodingError", "ProtocolError", "RemoteProtocolError", "ReadError", "WriteError",
            "ServerDisconnectedError",
        ),
    ),
    Rule(
        "connection.failed", "transient", "The connection was lost.",
        ename=("ConnectionError", "URLError", "OSError"), errno=(32, 103, 104, 110, 116),
    ),
    Rule(
        "connection.dropped", "transient", "The database closed the connection.",
        ename=("OperationalError", "InterfaceError"), evalue=r"closed the connection|connection (was |is )?(closed|lost|reset)",
    ),
    Rule("source.failed", "data_access", "The source could not be read.", ename=("URLError", "ConnectError", "ConnectionError")),
    Rule(
        "file.missing", "data_access", "A file is not there, or may not be read.",
        ename=("FileNotFoundError", "PermissionError", "IsADirectoryError", "NotADirectoryError"),
    ),
    Rule("file.folder", "data_access", "The folder to write into is not there.", ename=("OSError",), evalue=r"non-existent directory"),
    Rule(
        "file.unmatched", "data_access", "A file is not there, or may not be read.",
        ename=("IOException", "OperationalError", "HTTPException"),
        evalue=r"No files found|[Cc]annot open file|unable to open database|[Pp]ermission denied|authentication failed|could not connect",
    ),
    Rule(
        "file.damaged", "data_access", "A file is damaged, empty or cut off.",
        ename=("EmptyDataError", "BadZipFile", "BadGzipFile", "LZMAError"),
    ),
    Rule(
        "file.torn", "data_access", "A file is damaged, empty or cut off.",
        ename=("ArrowInvalid", "InvalidInputException", "IOException", "EOFError", "error", "DatabaseError", "OSError"),
        evalue=r"magic (bytes|number)|not a Parquet file|[Ff]ile size is 0|too small to be a Parquet|Compressed file ended"
               r"|while decompressing|not a (valid|database)|CRC check failed|[Cc]orrupt",
    ),
)  # fmt: skip

_SHAPES = (
    Rule(
        "column.missing", "schema_change", "The table lacks a column that the code asks for.",
        ename=("KeyError",), last=r"pandas[./]", evalue=r"^\"?['\[(]|in the (\[columns\]|columns)",
    ),
    Rule(
        "field.missing", "schema_change", "The table lacks a column that the code asks for.",
        ename=("KeyError", "ArrowInvalid", "ArrowKeyError"), evalue=r"does not exist in schema|No match for FieldRef",
    ),
    Rule(
        "columns.changed", "schema_change", "The columns are not those that were expected.",
        ename=("ValueError",), own=False,
        evalue=r"Usecols do not match|Missing column provided to|feature names should match|features, but .+ (is|was) expecting"
               r"|columns are missing|not a column of the dataframe|trying to merge on .+ columns|Length mismatch: Expected axis",
    ),
    Rule(
        "schema.changed", "schema_change", "Tables that belong together differ in their columns.",
        ename=("ArrowInvalid", "ArrowTypeError", "InvalidInputException"),
        evalue=r"Schema at index|Unable to merge: Field|incompatible types|[Ss]chema mismatch|union_by_name",
    ),
    Rule("sql.column", "schema_change", "A query names a column that is not there, or is of another type.", ename=("BinderException",)),
    Rule(
        "sql.table", "schema_change", "A query names a table that is not there.", ename=("CatalogException",), evalue=r"\bTable\b"
    ),
    Rule(
        "sql.missing", "schema_change", "A query names a table or column that is not there.",
        ename=("OperationalError",), evalue=r"no such (table|column)|has no column named",
    ),
    Rule(
        "sql.undefined", "schema_change", "A query names a table or column that is not there.",
        ename=("UndefinedColumn", "UndefinedTable", "NoSuchTableError", "ColumnNotFoundError"),
    ),
)  # fmt: skip

_VALUES = (
    Rule(
        "value.missing", "dirty_rows", "Values are missing where none may be.", ename=("ValueError", "IntCastingNaNError"),
        evalue=r"contains (NaN|infinity|null)|containing NA|cannot convert float (NaN|infinity)|[Cc]annot convert non-finite", own=False,
    ),
    Rule(
        "rows.few", "dirty_rows", "There are no rows, or too few.", ename=("ValueError",), own=False,
        evalue=r"^Found array with 0 |at least 2 classes",
    ),
    Rule(
        "value.unreadable", "dirty_rows", "A value is not what its column should hold.",
        ename=("ValueError", "TypeError"), on_purpose=False,
        evalue=r"[Cc]ould not convert|invalid literal for int|time data .+ match|unconverted data|isoformat string|day is out of range"
               r"|month must be|cannot convert float",
    ),
    Rule(
        "value.refused", "dirty_rows", "A value is not what its column should hold.", ename=("ValueError", "TypeError"), own=False,
        evalue=r"[Cc]ould not convert|time data .+ match|Unable to parse string|^Expected object or value|unknown categor|unseen labels"
               r"|[Oo]ut of bounds|duplicate (entries|labels|keys|values)",
    ),
    Rule(
        "value.broken", "dirty_rows", "A row cannot be read.",
        ename=(
            "UnicodeDecodeError", "JSONDecodeError", "ParserError", "DateParseError", "OutOfBoundsDatetime", "MergeError",
            "ConversionException", "ConstraintException", "OutOfRangeException", "IntegrityError",
        ),
    ),
    Rule(
        "row.broken", "dirty_rows", "A row cannot be read.", ename=("ArrowInvalid", "InvalidInputException", "Error"),
        evalue=r"[Cc]ould not convert|[Cc]onversion error|CSV [Ee]rror|CSV parse error|JSON parse error|[Ff]ailed to parse|Malformed JSON"
               r"|[Ii]nvalid unicode|sniffing|out of (range|bounds)|would lose data|line contains NUL|field larger than",
    ),
)  # fmt: skip

_OTHERWISE = Rule("code.other", "code_bug", "Nothing but the code itself explains it.")

RULES: tuple[Rule, ...] = (
    *_LIMITS,
    *_OURS,
    *_SURROUNDINGS,
    *_SLIPS,
    *_RESOURCES,
    *_SOURCES,
    *_SHAPES,
    *_VALUES,
    _OTHERWISE,
)
"""The built-in rules in the order in which they are tried; the last one takes what no other fits."""
