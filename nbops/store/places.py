"""Where things lie in a project's `.nbops` folder, and what kind of file system that is."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import pwd
import tempfile
from collections.abc import Iterator
from pathlib import Path

from nbops.errors import PathRefused, StoreUnavailable

# AF_UNIX addresses hold 108 bytes, the last of them a zero.
LONGEST_ADDRESS = 107
_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "9p", "fuse.sshfs", "ceph", "glusterfs", "lustre"})


class Places:
    """The paths of one project's store. Nothing is created before `create`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / "nbops.duckdb"
        self.blobs = folder / "blobs"
        self.runs = folder / "runs"
        self.backups = folder / "backups"
        self.spool = folder / "spool"
        self.rejected = folder / "spool" / "rejected"
        self.run = folder / "run"
        self.sidecar = folder / "run" / "sequence"
        self.log = folder / "run" / "owner.log"
        self.alive = folder / "run" / "alive"
        self.temporary = folder / "run" / "tmp"
        self.kernels = folder / "run" / "kernels"

    @property
    def key(self) -> str:
        """A short name for this project outside its folder."""
        return hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:16]

    def create(self) -> bool:
        """Make the folders, private to this user. True when the project is new. Raises OSError where nothing can be written."""
        new = not self.folder.exists()
        for path in (self.folder, self.run, self.alive, self.blobs, self.runs, self.backups, self.spool):
            path.mkdir(mode=0o700, exist_ok=True)
        ignore = self.folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")
        return new

    def writable(self) -> bool:
        """Whether the folder and the file in it can be written, as the kernel tells."""
        return all(os.access(path, os.W_OK) for path in (self.folder, self.run, self.database))

    def spools(self) -> tuple[Path, ...]:
        """Where a spool may lie, best first."""
        state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
        return (self.spool, state / "nbops" / "spool" / self.key, private_temporary() / "spool" / self.key)

    def meeting_points(self) -> tuple[Path, ...]:
        """Where the owner's lock and socket may lie, best first."""
        return (self.run, private_temporary() / self.key)


def locked(path: Path) -> bool:
    """Whether some process holds the lock of a file. Raises FileNotFoundError."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


@functools.cache
def user_name(uid: int) -> str:
    """What the system calls a user."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def private_temporary() -> Path:
    """Our folder under the temporary one; not created here."""
    return Path(tempfile.gettempdir()) / f"nbops-{os.getuid()}"


def make_private(folder: Path) -> Path:
    """Create a folder for this user alone. Raises PathRefused when somebody else made it first."""
    if folder.is_relative_to(private_temporary()):
        # The mode of `mkdir` does not hold for the parents that it makes.
        private_temporary().mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in (folder, private_temporary()):
        if path.exists() and path.is_relative_to(private_temporary()):
            status = path.lstat()
            if status.st_uid != os.getuid() or status.st_mode & 0o077 or path.is_symlink():
                raise PathRefused(
                    f"{path} does not belong to this user alone.", hint="Remove it, or set TMPDIR to a folder of yours."
                )
    return folder


def network_file_system(folder: Path) -> str | None:
    """The name of the network file system that a folder lies on; None when it is local or the system does not tell."""
    mounts = Path("/proc/self/mountinfo")
    if not mounts.exists():
        return None
    real = os.path.realpath(folder)
    best, kind = "", ""
    for point, name in _mounts(mounts.read_text()):
        if (real == point or real.startswith(point.rstrip("/") + "/")) and len(point) >= len(best):
            best, kind = point, name
    return kind if kind in _NETWORK else None


def refuse_network(folder: Path) -> None:
    """Raise StoreUnavailable when a folder lies on a network file system."""
    kind = network_file_system(folder)
    if kind:
        raise StoreUnavailable(
            f"{folder} lies on a network file system ({kind}), where file locks cannot be relied on.",
            hint="Use a project folder on a local disk or the team server, or set store.allow_network_fs at your own risk.",
        )


def _mounts(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        left, _, right = line.partition(" - ")
        if right:
            yield left.split(" ")[4].encode().decode("unicode_escape"), right.split(" ")[0]
