"""A user's module is carried as text and imported under its name, or not at all."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from nbops.errors import ModelError
from nbops.registry.usercode import import_texts, read


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    before, finders = {*sys.modules}, list(sys.meta_path)
    yield
    assert sys.meta_path == finders
    for name in {*sys.modules} - before:
        del sys.modules[name]


def test_modules_import_one_another_whatever_their_order() -> None:
    import_texts({"first_mod": "from second_mod import two\none = two - 1", "second_mod": "two = 2"})
    assert sys.modules["first_mod"].one == 1


def test_an_import_that_fails_leaves_nothing_behind() -> None:
    with pytest.raises(ModelError, match=r"ModuleNotFoundError.*not_there"):
        import_texts({"good_mod": "x = 1", "bad_mod": "import good_mod, not_there"})
    assert not {"good_mod", "bad_mod"} & {*sys.modules}


def test_the_same_text_is_kept_and_another_is_refused() -> None:
    import_texts({"some_mod": "x = object()"})
    x = sys.modules["some_mod"].x
    import_texts({"some_mod": "x = object()"})
    assert sys.modules["some_mod"].x is x
    with pytest.raises(ModelError, match="another module named some_mod: that of another model"):
        import_texts({"some_mod": "x = 2"})


def test_an_installed_module_is_not_replaced() -> None:
    with pytest.raises(ModelError, match=r"another module named pytest: .*pytest"):
        import_texts({"pytest": "x = 1"})


def test_a_traceback_shows_the_line_of_the_carried_module() -> None:
    import_texts({"line_mod": "def fails():\n    raise ValueError('here')  # marked\n"})
    with pytest.raises(ValueError, match="here") as caught:
        sys.modules["line_mod"].fails()
    assert "# marked" in "".join(traceback.format_exception(caught.value))


def test_a_file_is_read_as_python_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "latin_mod.py"
    path.write_bytes(b"# -*- coding: latin-1 -*-\r\nname = '\xe9'\r\n")
    text = read([path])["latin_mod"]
    import_texts({"latin_mod": text.encode().decode()})
    assert sys.modules["latin_mod"].name == "\xe9"


def test_a_file_that_is_not_the_imported_module_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "own_mod.py"
    path.write_text("x = 1")
    importlib.import_module("own_mod")
    assert read([path]) == {"own_mod": "x = 1"}
    other = tmp_path / "other" / "own_mod.py"
    other.parent.mkdir()
    other.write_text("x = 2")
    with pytest.raises(ModelError, match="is not the module own_mod that this process has imported"):
        read([other])


@pytest.mark.parametrize("name", ["features.txt", "my-features.py", "json.py", "folder"])
def test_what_cannot_be_imported_by_a_plain_name_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("x = 1")
    with pytest.raises(ModelError, match="cannot travel with a model"):
        read([tmp_path / name])


def test_a_name_that_two_files_have_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "twice_mod.py"
    path.write_text("x = 1")
    with pytest.raises(ModelError, match="a name of its own"):
        read([path, path])
