"""Modules of the user's own that travel inside a model: read from files here, imported from texts elsewhere.

No file is written and no search path is changed.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import CodeType, ModuleType

from nbops.errors import ModelError, NotFound


def read(files: Sequence[str | os.PathLike[str]]) -> dict[str, str]:
    """Module name -> text of single-file modules. Raises NotFound, and ModelError for what cannot travel or is another module here."""
    texts: dict[str, str] = {}
    for path in map(Path, files):
        name = path.stem
        if path.suffix != ".py" or not name.isidentifier() or name in sys.stdlib_module_names or name in texts:
            raise ModelError(
                f"{path} cannot travel with a model.",
                hint="code= takes single .py files, each with a name of its own that it is imported by: import features.",
            )
        try:
            texts[name] = importlib.util.decode_source(path.read_bytes())
        except FileNotFoundError as error:
            beside = [str(file) for file in path.parent.glob("*.py")]
            raise NotFound.of("file", str(path), beside, otherwise=f"Paths start at {Path.cwd()}.") from error
        except (OSError, SyntaxError, UnicodeDecodeError) as error:
            raise ModelError(f"{path} cannot be read: {error}", hint="code= takes Python files.") from error
        if _is_another(name, texts[name]):
            raise ModelError(
                f"{path} is not the module {name} that this process has imported.",
                hint=f"Pass the file that was imported: {file_of(name)}.",
            )
    return texts


def import_texts(texts: Mapping[str, str]) -> None:
    """Import the modules under their plain names, all or none; those of the same text that are here already are kept.

    They stay in `sys.modules`. Raises ModelError when another module has the name or the import fails.
    """
    for name, text in texts.items():
        if _is_another(name, text):
            raise ModelError(
                f"This process has imported another module named {name}: {file_of(name) or 'that of another model'}.",
                hint="Load the model in a fresh process, or rename one of the two modules.",
            )
    missing = {name: text for name, text in texts.items() if name not in sys.modules}
    finder = _Texts(missing)
    with _importing:
        sys.meta_path.insert(0, finder)
        try:
            for name in missing:
                importlib.import_module(name)
        except Exception as error:  # the user's code may raise anything
            for name in missing:
                sys.modules.pop(name, None)
            raise ModelError(
                f"The model's own code cannot be imported: {type(error).__name__}: {error}",
                hint="What it imports must be installed here, or travel with the model: code=['features.py', ...].",
            ) from error
        finally:
            sys.meta_path.remove(finder)


def file_of(name: str) -> str | None:
    """The file of an imported module, if it has one."""
    return getattr(sys.modules.get(name), "__file__", None)


_importing = threading.Lock()


class _Texts(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        del path, target
        return importlib.util.spec_from_loader(fullname, self) if fullname in self._texts else None

    def get_source(self, fullname: str) -> str:
        return self._texts[fullname]

    def get_code(self, fullname: str) -> CodeType:
        # Not in angle brackets, so that a traceback shows the line, which it gets from get_source.
        return compile(self.get_source(fullname), f"model/{fullname}.py", "exec")


def _is_another(name: str, text: str) -> bool:
    """Whether `name` is imported here and is not made of `text`."""
    module = sys.modules.get(name)
    if module is None:
        return False
    loader = getattr(module, "__loader__", None)
    try:
        return not isinstance(loader, importlib.abc.InspectLoader) or loader.get_source(name) != text
    except OSError:  # its file is gone
        return True
