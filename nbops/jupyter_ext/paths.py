"""Between the paths that JupyterLab shows, which begin at the server's root, and files."""

from __future__ import annotations

import posixpath
from pathlib import Path

from nbops.errors import NotFound, PathRefused


class Root:
    """The folder that a Jupyter server shows."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder).expanduser().resolve()

    def file(self, shown: str) -> Path:
        """The file or folder of a shown path. Raises PathRefused for one that leaves the root, NotFound where there is none."""
        parts = [part for part in shown.split("/") if part not in {"", "."}]
        if ".." in parts or "\0" in shown or ":" in (parts[0] if parts else ""):
            raise PathRefused(
                f"{shown!r} is no path below the server's folder.", hint="Give it as the file browser shows it."
            )
        found = self.folder.joinpath(*parts)
        if not found.exists():
            raise NotFound(
                f"There is no {shown!r} here.", hint="It may have been moved or renamed: look in the file browser."
            )
        return found

    def shown(self, file: str | None) -> str | None:
        """The path that JupyterLab shows of a file; None for one that it does not show."""
        if file is None:
            return None
        path = Path(posixpath.normpath(file))
        return path.relative_to(self.folder).as_posix() if path.is_relative_to(self.folder) else None
