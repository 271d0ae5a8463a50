"""What must be equal for a forked kernel to be what an ordinary one would have been, as one short text by which servers are found.

It covers what a process cannot change after the fork (interpreter, limits, namespaces, rights) and what imports depend on
(installed distributions, the environment that they read).
"""

from __future__ import annotations

import hashlib
import os
import re
import resource
import site
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from pathlib import Path

from nbops.store import marks
from nbops.tracking.installed import installed

# Read by compiled libraries, or by nearly everything, at import, such as numbers of threads; what else Python modules read the server
# watches. Two of OpenMP's are left out: scikit-learn sets them at its import, in whichever process that is.
_IMPORTS_READ = re.compile(
    r"(PYTHON|LD_|LC_|OMP_|GOMP_|KMP_(?!DUPLICATE_LIB_OK|INIT_AT_FORK)|OPENBLAS|GOTO_|BLIS_|MKL_|VECLIB_|NVPL_|NUMEXPR_|NUMBA_|TBB_|CUDA_|ARROW_|JE_|MPL|MATPLOTLIB|JUPYTER|IPYTHON)\w*"
    r"|\w+_(NUM|MAX)_THREADS|GLIBC_TUNABLES|MALLOC_\w+|LANG|LANGUAGE|TZ|HOME|PATH|TMPDIR|VIRTUAL_ENV|CONDA_PREFIX"
)
_STATUS = re.compile(
    r"^(?:Umask|Uid|Gid|Groups|CapEff|NoNewPrivs|Seccomp|Cpus_allowed_list|Mems_allowed_list):.*$", re.MULTILINE
)
_LIMITS = sorted(getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_"))


def key(environ: Mapping[str, str]) -> str:
    """The key of a kernel that this process would start with `environ`: 16 hex digits. Linux only."""
    interpreter = (sys.version, sys.executable, os.path.realpath(sys.executable), sys.prefix, sys.base_prefix)
    told = hashlib.sha256(repr((interpreter, site_key(), _process())).encode())
    for name in sorted(filter(_IMPORTS_READ.fullmatch, environ)):
        told.update(os.fsencode(f"{name}={environ[name]}\0"))
    return told.hexdigest()[:16]


def site_key() -> str:
    """What stands for the installed distributions: their names, versions and the times of their installation."""
    return hashlib.sha256(repr([installed(folder) for folder in site_folders()]).encode()).hexdigest()[:16]


def site_folders() -> tuple[str, ...]:
    """The folders that pip installs into, for this interpreter and user."""
    found = [*site.getsitepackages(), *([site.getusersitepackages()] if site.ENABLE_USER_SITE else [])]
    return tuple(dict.fromkeys(found))


def from_installed(names: Iterable[str]) -> list[str]:
    """The imported modules that were installed or belong to the standard library: not a project's own, nor a debugger's."""
    paths = sysconfig.get_paths()
    roots = tuple(f"{folder}{os.sep}" for folder in (*site_folders(), paths["stdlib"], paths["platstdlib"]))
    found = []
    for name in names:
        origin = getattr(getattr(sys.modules.get(name), "__spec__", None), "origin", None)
        if origin in {"built-in", "frozen"} or (
            isinstance(origin, str) and origin.startswith(roots) and f"{os.sep}debugpy{os.sep}" not in origin
        ):
            found.append(name)
    return found


def _process() -> tuple[object, ...]:
    proc = Path("/proc/self")
    # Another container may see the same folder, and have the same user.
    spaces = [(proc / "ns" / name).readlink() for name in ("mnt", "pid", "net", "user", "ipc")]
    return (
        _STATUS.findall((proc / "status").read_text()),
        (proc / "cgroup").read_text(),
        spaces,
        [resource.getrlimit(limit) for limit in _LIMITS],
        # What an executed notebook starts serves executed notebooks only.
        marks.found(os.getpid()) != "",
        os.getpriority(os.PRIO_PROCESS, 0),
    )
