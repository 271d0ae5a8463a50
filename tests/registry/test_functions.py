"""A function of a user's own module is a model like any other, as long as its file travels with it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nbops.errors import ModelError, TrustRefused
from nbops.registry.formats import describe, pack, unpack
from nbops.registry.proof import prove
from nbops.workspace._run import Run
from nbops.workspace._workspace import Workspace
from tests.conftest import Project
from tests.registry.archives import members, resealed

X = pd.DataFrame({"age": [20.0, 50.0, 70.0], "site": ["a", "b", "a"]})

RULES = """
import numpy as np
from own_limits import LIMIT

def retire(rows):
    return (rows["age"] > LIMIT).astype(int).to_numpy()

def two(rows, others):
    return rows

def outer():
    def inner(rows):
        return rows
    return inner
"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    monkeypatch.syspath_prepend(tmp_path)
    paths = [tmp_path / "own_rules.py", tmp_path / "own_limits.py"]
    for path, text in zip(paths, (RULES, "LIMIT = 60\n"), strict=True):
        path.write_text(text)
    yield paths
    for path in paths:
        sys.modules.pop(path.stem, None)


def test_a_function_comes_back_with_what_it_imports(files: list[Path]) -> None:
    from own_rules import retire  # type: ignore[import-not-found]  # written by the fixture

    packed = pack(retire, code=files, example=X)
    assert (packed.manifest.format, packed.manifest.estimator) == ("function", "own_rules.retire")
    assert packed.manifest.output.methods == ("predict",)
    assert packed.manifest.signature is not None
    assert [column.name for column in packed.manifest.signature.columns] == ["age", "site"]
    assert set(members(packed.data)) == {"own_rules.py", "own_limits.py", "manifest.json"}
    with pytest.raises(TrustRefused, match=r"own_rules\.py"):
        unpack(packed.data)
    prove(packed.data, example=X)
    loaded = unpack(packed.data, code_trusted=True).estimator
    np.testing.assert_array_equal(loaded.predict(X), [0, 0, 1])
    assert pack(loaded, code=files, example=X).manifest.code == packed.manifest.code


def test_its_file_is_asked_for(files: list[Path]) -> None:
    from own_rules import retire

    for code in ([], [files[1]]):
        with pytest.raises(ModelError, match=r"own_rules\.retire needs its file") as caught:
            pack(retire, code=code)
        assert caught.value.hint == f"Pass code=[{str(files[0])!r}]."
    with pytest.raises(ModelError, match="No module named 'own_limits'"):
        prove(pack(retire, code=files[:1]).data)


def test_what_no_other_process_can_find_or_call_is_refused(files: list[Path]) -> None:
    import own_rules

    for function, message in (
        (lambda rows: rows, "where no other process finds it"),
        (own_rules.outer(), "where no other process finds it"),
        (own_rules.two, "cannot be called with rows alone"),
    ):
        with pytest.raises(ModelError, match=message):
            pack(function, code=files)
    before, own_rules.retire = own_rules.retire, own_rules.two
    with pytest.raises(ModelError, match="is another function by now"):
        pack(before, code=files)


def test_a_manifest_cannot_name_a_function_of_another_module(files: list[Path]) -> None:
    from own_rules import retire

    data = pack(retire, code=files).data
    for name in (b"os.system", b"own_rules.np.save", b"own_rules.LIMIT", b"own_rules.gone"):
        forged = members(data)["manifest.json"].replace(b"own_rules.retire", name)
        with pytest.raises(ModelError, match="has no function"):
            unpack(resealed(data, {"manifest.json": forged}), code_trusted=True)


def test_it_is_registered_and_loaded_in_another_process(
    shared: Project, here: Workspace, run: Run, files: list[Path]
) -> None:
    from own_rules import retire

    logged = run.log_model(retire, code=files, input_example=X)
    assert describe(here.store.get_blob(logged.manifest.sha256)) == logged.manifest
    here.register_model(run, "rules")
    code = "import nbops, pandas as pd; print(nbops.load_model('rules').predict(pd.DataFrame({'site': ['x'], 'age': [61.0]})).tolist())"
    assert shared.run(code).strip() == "[1]"
