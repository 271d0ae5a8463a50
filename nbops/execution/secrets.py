"""Secrets of a notebook: its parameters hold references such as `secret://crew-db`, and only this process learns what they stand for.

In flow references, out flow values, if the settings let that notebook ask: from the environment, a file outside of the project or an
installed provider. A kernel reads them from the runner's memory. They are in no cell, command line, environment or file of ours, and
no message here tells one.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from nbops.config import SECRETS_VARIABLE, Settings
from nbops.errors import ConfigError, NotFound, ParameterError, nearest
from nbops.execution.parameters import Interface
from nbops.security.masking import SHORTEST, handed, maskable

GROUP = "nbops.secrets"
"""The entry points of providers: functions from a secret's name to its value, which raise LookupError when there is none."""

_REFERENCE = re.compile(r"secret://([A-Za-z0-9._/-]+)")


def asked(interface: Interface, values: Mapping[str, object]) -> dict[str, str]:
    """The references that secret parameters hold, by parameter."""
    secret = [parameter.name for parameter in interface.parameters if parameter.direction == "secret"]
    return {name: str(values[name]) for name in secret if name in values}


def resolve(
    settings: Settings,
    notebook: str | os.PathLike[str],
    references: Mapping[str, str],
    *,
    environ: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The values of a notebook's secret parameters, by parameter. `notebook` is its resolved path.

    Raises ParameterError for what is no reference, a notebook that may not ask and a value that cannot be masked, NotFound when there
    is no such secret, and ConfigError when the place that the settings name is not fit for any.
    """
    if not references:
        return {}
    names = {parameter: _name(parameter, reference) for parameter, reference in references.items()}
    _may_ask(settings, notebook, sorted(set(names.values())))
    found = {name: _found(settings, name, os.environ if environ is None else environ) for name in names.values()}
    for name, value in found.items():
        if not maskable(value):
            raise ParameterError(
                f"secret://{name} is shorter than {SHORTEST} characters: masking it would mask every other word.",
                hint="Use a longer one.",
            )
    return {parameter: found[name] for parameter, name in names.items()}


def of_setting(settings: Settings, key: str, reference: str) -> str:
    """The value that the setting `key` refers to. Raises as `resolve` does, with the setting in the parameter's place."""
    return _found(settings, _name(key, reference), os.environ)


def refuse_values(told: str) -> None:
    """Raise ParameterError when what is to be written down holds a secret that a runner handed to this process."""
    if SECRETS_VARIABLE in os.environ and (mask := handed()) and mask.text(told) != told:
        raise ParameterError(
            "What the notebook or the sweep is given holds the value of a secret, which would be written into executed notebooks.",
            hint="Give the reference, such as secret://name: whoever executes it finds the value itself.",
        )


def without_secrets(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """An environment for kernels and servers: without the variables that hold secrets, allowed or not."""
    prefix = settings.secrets.prefix
    hidden = {_variable(settings, name) for names in settings.secrets.allow.values() for name in names} | {
        SECRETS_VARIABLE
    }
    return {
        name: value
        for name, value in environ.items()
        if name not in hidden and not (prefix and name.startswith(prefix))
    }


@contextlib.contextmanager
def hand_over(values: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Let kernels of this user read the values, by parameter, as long as this lasts and this process lives.

    Gives what their environment needs; they may evaluate `expression` any number of times. Raises ParameterError where the system
    has no memory that another process can open.
    """
    if not values:
        yield {}
        return
    if not hasattr(os, "memfd_create"):
        raise ParameterError(
            "Secrets are handed to a kernel in a way that Linux alone has.", hint="Run it on Linux, or in WSL."
        )
    # Nothing is left of it, however this process ends. Another process opens it anew, from its start.
    with os.fdopen(os.memfd_create("nbops"), "w", encoding="ascii") as memory:
        json.dump(dict(values), memory)
        memory.flush()
        yield {SECRETS_VARIABLE: f"/proc/{os.getpid()}/fd/{memory.fileno()}"}


def expression(parameter: str) -> str:
    """The Python expression of a secret parameter's value in a kernel; it needs the standard library alone."""
    place = f'__import__("pathlib").Path(__import__("os").environ["{SECRETS_VARIABLE}"])'
    return f'__import__("json").loads({place}.read_text())["{parameter}"]'


def _name(parameter: str, reference: str) -> str:
    found = _REFERENCE.fullmatch(reference)
    if found is None:
        # It may be the value itself.
        raise ParameterError(
            f"Parameter {parameter!r} holds no reference to a secret.",
            hint=f"Give its name, of letters, digits and - _ . /, such as secret://{parameter}",
        )
    return found[1]


def _may_ask(settings: Settings, notebook: str | os.PathLike[str], names: Sequence[str]) -> None:
    path = Path(notebook)
    if not path.is_relative_to(settings.project):
        raise ParameterError(
            f"{notebook} lies outside of the project {settings.project}, where no notebook may ask for a secret.",
            hint="Move it into the project, or name its own project with -C.",
        )
    inside = path.relative_to(settings.project).as_posix()
    allow = settings.secrets.allow
    # With a leading slash a pattern is of the whole path, and its `*` stays within a folder.
    may = {name for pattern, some in allow.items() if PurePosixPath("/", inside).match(f"/{pattern}") for name in some}
    lacking = [name for name in names if name not in may]
    if lacking:
        raise ParameterError(
            f"{inside} may not ask for {', '.join(f'secret://{name}' for name in lacking)}.",
            hint=f"Write in {_table(settings)}: {json.dumps(inside)} = {json.dumps([*allow.get(inside, ()), *lacking])}",
        )


def _table(settings: Settings) -> str:
    if settings.origins.get("secrets.allow") == "pyproject.toml":
        return "pyproject.toml under [tool.nbops.secrets.allow]"
    return "nbops.toml under [secrets.allow]"


def _found(settings: Settings, name: str, environ: Mapping[str, str]) -> str:
    source = settings.secrets.source
    if source == "env":
        variable = _variable(settings, name)
        if not environ.get(variable):
            raise NotFound(
                f"There is no secret {name!r} in the environment.",
                hint=f"Set {variable} for the process that runs the notebook.",
            )
        return environ[variable]
    return _from_file(settings, name) if source == "file" else _provided(source, name)


def _variable(settings: Settings, name: str) -> str:
    return settings.secrets.prefix + re.sub(r"[^A-Z0-9]", "_", name.upper())


def _from_file(settings: Settings, name: str) -> str:
    if not settings.secrets.file:
        raise ConfigError(
            "secrets.source is 'file', but no file is named.",
            hint='Set secrets.file, as in file = "~/.config/nbops/secrets.toml".',
        )
    path = (settings.project / Path(settings.secrets.file).expanduser()).resolve()
    if path.is_relative_to(settings.project):
        raise ConfigError(
            f"The file of secrets {path} lies in the project.",
            hint="Move it to where nothing is committed, copied or shared.",
        )
    known = dict(_flat(_read(path)))
    if name not in known:
        raise NotFound.of("secret", name, known, otherwise=f'Add a line {json.dumps(name)} = "…" to {path}.')
    value = known[name]
    if not isinstance(value, str):
        raise ConfigError(f"The secret {name!r} in {path} is no text.", hint="Write it in quotes.")
    return value


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if mode & 0o077:
                raise ConfigError(
                    f"The file of secrets {path} can be read by others ({mode & 0o777:o}).", hint=f"chmod 600 {path}"
                )
            return tomllib.load(file)
    except OSError as error:
        raise ConfigError(
            f"The file of secrets {path} cannot be read: {error.strerror}.",
            hint="Make it, with mode 600, or set secrets.file.",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        # Where it is wrong may be told; what stands there not.
        place = re.search(r"line \d+", str(error))
        raise ConfigError(
            f"The file of secrets {path} is not valid TOML{f', {place[0]}' if place else ''}.",
            hint='A line is: crew-db = "…"',
        ) from None


def _flat(table: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{within}{key}.")
        else:
            yield f"{within}{key}", value


def _provided(source: str, name: str) -> str:
    from importlib.metadata import entry_points

    found = next(iter(entry_points(group=GROUP, name=source)), None)
    if found is None:
        known = ["env", "file", *entry_points(group=GROUP).names]
        near = nearest(source, known)
        raise ConfigError(
            f"Nothing installed provides secrets as {source!r}.",
            hint=f"Did you mean {near!r}?" if near else f"secrets.source may be: {', '.join(known)}.",
        )
    try:
        value = found.load()(name)
    except LookupError:
        raise NotFound(f"{source} has no secret {name!r}.", hint="Look there under which name it is kept.") from None
    except (OSError, RuntimeError, ValueError, TypeError, AttributeError, ImportError) as error:
        # Its own words may hold what is secret.
        raise ParameterError(
            f"{source} failed at secret {name!r}: {type(error).__name__}.",
            hint=f"Call its provider ({found.value}) alone to see more.",
        ) from None
    if not isinstance(value, str):
        raise ParameterError(f"{source} gave no text for secret {name!r}.", hint=f"Mend its provider, {found.value}.")
    return value
