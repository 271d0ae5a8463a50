"""Where things lie in a project's `.nbops` folder, and what kind of file system that is."""

from __future__ import annotations

import fcntl
import functools
import grp
import hashlib
import os
import pwd
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from nbops.errors import ConfigError, PathRefused, StoreUnavailable

# AF_UNIX addresses hold 108 bytes, the last of them a zero.
LONGEST_ADDRESS = 107
# The group may read, write and enter, and what is made inside is the group's, too.
_SHARED = stat.S_ISGID | stat.S_IRWXG
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

    @property
    def kernels(self) -> Path:
        """Where this user's fork servers meet: whoever reaches them runs code as this user."""
        return self.run / (f"kernels-{os.getuid()}" if shared(self.folder) else "kernels")

    @property
    def key(self) -> str:
        """A short name for this project outside its folder."""
        return hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:16]

    def create(self, group: str = "") -> bool:
        """Make the folders, private to this user, or shared with a group. True when the project is new.

        Raises OSError where nothing can be written, ConfigError for a group that this user is no member of.
        """
        new = not self.folder.exists()
        self.folder.mkdir(mode=0o700, exist_ok=True)
        if group and not shared(self.folder) and self.folder.stat().st_uid == os.getuid():
            _give(self.folder, group)
        for path in (self.run, self.alive, self.blobs, self.runs, self.backups, self.spool):
            make_folder(path)
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


def shared(folder: Path) -> bool:
    """Whether a folder is for its group, which its mode says: what is made in it is the group's, to read and to write."""
    try:
        return folder.stat().st_mode & _SHARED == _SHARED
    except OSError:
        return False


def make_folder(folder: Path) -> None:
    """Make a folder with its parents, if need be: for this user alone, or for the group that the one above is for."""
    if not folder.parent.exists():
        make_folder(folder.parent)
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        return
    if shared(folder.parent):
        folder.chmod(0o2770)


def open_file(path: Path, flags: int) -> int:
    """A descriptor of a file that is for this user alone, or for the group that its folder is for."""
    handle = os.open(path, flags | os.O_CLOEXEC, 0o600)
    share(handle, path.parent)
    return handle


def share(handle: int, folder: Path) -> None:
    """Let a file of ours be for the group that its folder is for."""
    status = os.fstat(handle)
    if status.st_uid == os.getuid() and status.st_mode & 0o777 != 0o660 and shared(folder):
        os.fchmod(handle, 0o660)


def _give(folder: Path, group: str) -> None:
    """Let a group share a folder with all that is in it, but what runs code as this user."""
    try:
        number = int(group) if group.isdigit() else grp.getgrnam(group).gr_gid
        os.chown(folder, -1, number)
    except (KeyError, PermissionError) as error:
        raise ConfigError(
            f"The store cannot be shared with the group {group!r} (store.group): "
            + ("there is no such group." if isinstance(error, KeyError) else "this user is not a member."),
            hint="`id` lists the groups of this user; whoever administers the machine adds one.",
        ) from error
    for path in folder.rglob("*"):
        if path.is_symlink() or path.is_relative_to(folder / "run" / "kernels"):
            continue
        os.chown(path, -1, number)
        path.chmod(0o2770 if path.is_dir() else 0o660)
    # Last: whoever sees it shared finds everything so.
    folder.chmod(0o2770)


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
