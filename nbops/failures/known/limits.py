"""Failures by a limit of time or of the system, and processes that died."""

from __future__ import annotations

from nbops.failures.known.words import NBOPS
from nbops.failures.rule import Rule

LIMITS = (
    Rule("limit.time", "timeout", "A limit of time for the cell, step or run was reached.", timed_out=True),
    Rule("limit.cell", "timeout", "A cell took longer than it may.", ename=("CellTimeoutError", "CellTimeout")),
    Rule(
        "limit.query", "timeout", "A query of the store was stopped at its time limit.", ename=("QueryTimeout",), evalue=NBOPS
    ),
    Rule(
        "limit.statement", "timeout", "A query was stopped at the limit of time that the code or the database gives it.",
        ename=(
            "InterruptException", "QueryCanceled", "QueryCanceledError", "OperationalError", "InternalError", "ProgrammingError",
            "DatabaseError",
        ),
        evalue=r"^INTERRUPT Error|^interrupted$|due to statement timeout|(statement|query) execution (time exceeded|was interrupted)",
    ),
    Rule(
        "limit.program", "timeout", "A program that the code started took longer than it may.", ename=("TimeoutExpired", "TIMEOUT")
    ),
    Rule(
        "limit.wait", "timeout", "The code waited for its own work no longer than it had said.", ename=("TimeoutError",), own=False,
        last=r"/(concurrent|asyncio|multiprocessing|anyio|joblib)/",
    ),
    Rule(
        "limit.own", "timeout", "The code took longer than it allows itself.", ename=("TimeoutError",), own=True, on_purpose=True,
        evalue=r"(?i)^(?!.*(connect|host|server|service|respon|answer|request|api\b))",
    ),
    Rule(
        "limit.late", "timeout", "The code took longer than it allows itself.", ename=("TimeoutError",), own=True,
        evalue=r"(?i)^(?!.*(connect|host|server|service|respon|answer|request|api\b)).*\b(still|longer than|not (done|finished|ended))\b",
    ),
    Rule("limit.memory", "resource", "The process was killed because memory ran out.", signal=(9,), out_of_memory=True),
    Rule("limit.signal", "resource", "The process was ended at its limit of CPU time or file size.", signal=(24, 25)),
)  # fmt: skip

RESOURCES = (
    Rule(
        "memory.exhausted", "resource", "Memory or disk ran out.",
        ename=(
            "MemoryError", "_ArrayMemoryError", "ArrowMemoryError", "OutOfMemoryException", "OutOfMemoryError", "OutOfMemory",
            "ResourceExhaustedError",
            "DiskFull",
        ),
    ),
    Rule(
        "system.exhausted", "resource", "Disk, memory or file handles ran out.",
        ename=("OSError", "IOException", "ArrowIOError"), errno=(12, 23, 24, 27, 28, 122),
    ),
    Rule(
        "system.processes", "resource", "No more processes may be started.", ename=("OSError", "BlockingIOError"), errno=(11,),
        last=r"(subprocess|popen_\w+|pty)\.py:|:fork$",
    ),
    Rule(
        "system.told", "resource", "Disk, memory, threads or file handles ran out.", on_purpose=False,
        ename=("OSError", "IOException", "OperationalError", "RuntimeError", "error", "FatalException"),
        evalue=r"No space left on device|(disk|database) is full|Disk quota exceeded|can't start new thread|Too many open files"
               r"|File too large|Cannot allocate memory|out of memory|bad_alloc|disk I/O error|^\d+ requested and \d+ written",
    ),
    Rule(
        "library.exhausted", "resource", "Memory ran out in a library.", own=False,
        ename=("ParserError", "LightGBMError", "XGBoostError", "CatBoostError", "RuntimeError", "ComputeError", "Error", "error"),
        evalue=r"(?i)out of memory|\bbad[_ ]alloc|cannot allocate|(failed|unable) to allocate|no space left|\bOOM\b",
    ),
    Rule(
        "pool.memory", "resource", "A worker process was killed because memory ran out.",
        ename=("BrokenProcessPool", "TerminatedWorkerError"), out_of_memory=True,
    ),
    Rule(
        "pool.died", "kernel_death", "A worker process died.", ename=("BrokenProcessPool", "TerminatedWorkerError", "KilledWorker")
    ),
    Rule(
        "worker.killed", "kernel_death", "A worker process was killed.", ename=("RuntimeError", "Error"), own=False,
        evalue=r"worker .*(is|was) killed by signal|worker .*exited unexpectedly",
    ),
    Rule(
        "program.killed", "kernel_death", "A program that the code started was killed.",
        ename=("CalledProcessError",), evalue=r"died with <Signals|exit status 1(3[4-9]|43)\b",
    ),
    Rule("kernel.died", "kernel_death", "The kernel or its runner died.", ename=("DeadKernelError", "KernelDied", "RunLost")),
    Rule("process.ended", "kernel_death", "The process ended and left no reason.", ended=True),
)  # fmt: skip
