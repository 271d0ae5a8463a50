"""What several commands take: parameters, by option, file or YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nbops.errors import ParameterError

UNCHANGED = 12
"""The exit status, when asked for, of what was not executed because nothing has changed."""


def merged_parameters(
    pairs: tuple[tuple[str, str], ...],
    raw: tuple[tuple[str, str], ...],
    files: tuple[Path, ...],
    yamls: tuple[str, ...],
) -> dict[str, Any]:
    """The parameters that the options of a command give: the later kinds win. Raises ParameterError for what is no mapping."""
    import yaml

    from nbops.execution.parameters import Word

    merged: dict[str, Any] = {}
    texts = [(str(path), path.read_text(encoding="utf-8")) for path in files] + [
        ("--parameters-yaml", text) for text in yamls
    ]
    for source, text in texts:
        try:
            loaded = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ParameterError(
                f"The parameters in {source} are not YAML: {error}.", hint="Write one 'name: value' per line."
            ) from error
        if loaded is not None and not (isinstance(loaded, dict) and all(isinstance(name, str) for name in loaded)):
            raise ParameterError(
                f"The parameters in {source} are no mapping.", hint="Write one 'name: value' per line."
            )
        merged.update(loaded or {})
    merged.update({name: Word(text) for name, text in pairs})
    merged.update(dict(raw))
    return merged
