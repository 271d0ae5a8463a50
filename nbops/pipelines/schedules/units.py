"""What makes a machine look at the schedules of a project: files for systemd and a line for cron, as texts. Nothing is installed here.

They name the interpreter and the project by absolute paths, since neither systemd nor cron knows where anybody is.
"""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

from nbops.errors import PathRefused
from nbops.records import Record

_PLAIN = re.compile(r"[A-Za-z0-9_./:@,+-]+")


class Place(Record):
    """Who looks, and with what: `user` is empty where the files are that user's own, `environment` a file with variables."""

    project: Path
    python: str = sys.executable
    user: str = ""
    environment: Path | None = None

    def words(self, *more: str) -> list[str]:
        """The command that looks. Raises PathRefused for paths that no file of systemd or cron can hold."""
        found = [self.python, "-P", "-m", "nbops", "-C", str(self.project), "schedule", *more]
        for word in found:
            if not word.isprintable():
                raise PathRefused(f"{word!r} holds what cannot be printed.", hint="Rename the folder.")
        return found

    @property
    def name(self) -> str:
        """What the files are called."""
        return "nbops-" + (re.sub(r"[^A-Za-z0-9_.-]+", "-", self.project.name).strip("-.") or "project")


def timer(place: Place) -> dict[str, str]:
    """A service that looks once and a timer that starts it each minute, by file name."""
    service = _service(place, place.words("tick", "--leave", "--quiet"), "Type=oneshot")
    clock = [
        "[Unit]",
        f"Description=nbops looks each minute at what is due in {_specifiers(str(place.project))}",
        "",
        "[Timer]",
        "OnCalendar=minutely",
        "AccuracySec=1s",
        "Persistent=true",
        "",
        "[Install]",
        "WantedBy=timers.target",
    ]
    return {f"{place.name}.service": service, f"{place.name}.timer": "\n".join(clock) + "\n"}


def service(place: Place) -> dict[str, str]:
    """A service that looks all the time, by file name."""
    text = _service(place, place.words("run"), "Type=exec", "Restart=always", "RestartSec=5")
    return {
        f"{place.name}.service": f"{text}\n[Install]\nWantedBy={'multi-user' if place.user else 'default'}.target\n"
    }


def cron(place: Place) -> str:
    """A line for the crontab of whoever is to run the schedules."""
    line = shlex.join(place.words("tick", "--leave", "--quiet"))
    # cron takes a percent sign for the end of the line.
    return "* * * * * " + line.replace("%", r"\%")


def install(place: Place, *, service: bool = False) -> str:
    """What a person does with the files."""
    scope = "systemctl" if place.user else "systemctl --user"
    where = "/etc/systemd/system" if place.user else "~/.config/systemd/user"
    unit = f"{place.name}.{'service' if service else 'timer'}"
    lingering = "" if place.user else " `loginctl enable-linger` lets it work while you are not logged in."
    return f"Put them into {where}, then: {scope} daemon-reload && {scope} enable --now {unit}.{lingering}"


def _service(place: Place, words: list[str], *ways: str) -> str:
    lines = [
        "[Unit]",
        f"Description=nbops: schedules of {_specifiers(str(place.project))}",
        "",
        "[Service]",
        *ways,
        *([f"User={place.user}"] if place.user else []),
        f"WorkingDirectory={_specifiers(str(place.project))}",
        *([f"EnvironmentFile={_specifiers(str(place.environment))}"] if place.environment else []),
        f"ExecStart={' '.join(map(_quoted, words))}",
        # What was begun goes on when the one that began it ends.
        "KillMode=process",
    ]
    return "\n".join(lines) + "\n"


def _quoted(word: str) -> str:
    """A word of a command line of systemd's."""
    word = _specifiers(word).replace("$", "$$")
    if _PLAIN.fullmatch(word.replace("%%", "").replace("$$", "")):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _specifiers(text: str) -> str:
    return text.replace("%", "%%")
