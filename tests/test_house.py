"""The promises of the whole tree: light imports, layers, documented and annotated code, signposts, pinned and clean files.

Each gate is a function over sources that names what it found; planted faults prove that it can find something.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import json
import pkgutil
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import nbops
from nbops import errors

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "nbops"
SUBMODULES = {module.name for module in pkgutil.iter_modules([str(PACKAGE)])}

Sources = dict[str, ast.Module]
Function = ast.FunctionDef | ast.AsyncFunctionDef


@pytest.fixture(scope="module")
def sources() -> Sources:
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_bytes()) for path in sorted(PACKAGE.rglob("*.py"))}


# Imports


def loaded_after(program: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"{program}\nimport sys\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_import_nbops_loads_nothing_heavy() -> None:
    heavy = {"duckdb", "pandas", "sklearn", "papermill", "IPython", "pyarrow", "numpy", "uvicorn"}
    assert not loaded_after("import nbops") & heavy


def test_no_module_below_the_edges_loads_anything_heavy() -> None:
    # These are loaded by Jupyter or papermill, or by the tool they integrate, and derive from what they find there.
    edges = (
        "nbops.jupyter_ext", "nbops.widgets", "nbops.integrations", "nbops.execution.account", "nbops.execution.client",
        "nbops.execution.kernels.", "nbops.reports.exporter",
    )  # fmt: skip
    names = [module.name for module in pkgutil.walk_packages([str(PACKAGE)], "nbops.")]
    inner = [name for name in names if not name.startswith(edges) and not name.endswith("__main__")]
    heavy = {"duckdb", "pandas", "sklearn", "papermill", "IPython", "pyarrow", "nbconvert"}
    assert not loaded_after(f"import importlib\nfor name in {inner!r}: importlib.import_module(name)") & heavy


def test_facade_shows_exactly_what_it_offers() -> None:
    assert nbops.__all__ == sorted(nbops.__all__)
    assert dir(nbops) == nbops.__all__
    assert [name for name in nbops.__all__ if not hasattr(nbops, name)] == []


def test_no_verb_shares_a_name_with_a_subpackage() -> None:
    assert set(nbops.__all__) & SUBMODULES == set()


# Layers

LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINT_IMPORTS, "--no-cache", "--no-logo"], cwd=folder, capture_output=True, text=True, check=False
    )


def test_packages_import_from_layers_below() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("package", "statement"),
    [
        pytest.param("store", "import nbops.tracking", id="upwards"),
        pytest.param("registry", "import nbops.predictions", id="sideways"),
        pytest.param("tracking", "def late() -> None:\n    from nbops import workspace", id="inside a function"),
        pytest.param("registry", "import duckdb", id="duckdb past nbops.duck"),
        pytest.param("unheard_of", "", id="a package on no layer"),
    ],
)
def test_planted_layer_violation_fails(package: str, statement: str, tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(PACKAGE, tmp_path / "nbops", ignore=shutil.ignore_patterns("__pycache__"))
    for name in (package, "tracking", "predictions", "workspace"):
        if not (tmp_path / "nbops" / f"{name}.py").exists():
            (tmp_path / "nbops" / name).mkdir(exist_ok=True)
            (tmp_path / "nbops" / name / "__init__.py").touch()
    assert package == "unheard_of" or lint_imports(tmp_path).returncode == 0
    (tmp_path / "nbops" / package / "planted.py").write_text(statement + "\n", encoding="utf-8")
    done = lint_imports(tmp_path)
    assert done.returncode == 1
    assert f"nbops.{package}" in done.stdout


def reaches_past_the_layers(tree: ast.AST) -> Iterator[str]:
    """Names that a module inside the package takes from the facade, which imports everything."""
    allowed = SUBMODULES | {"__version__"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "nbops":
            yield from (alias.name for alias in node.names if alias.name not in allowed)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "nbops":
            yield from {node.attr} - allowed


def test_nothing_inside_the_package_reaches_up_through_the_facade(sources: Sources) -> None:
    inner = {path: tree for path, tree in sources.items() if path != "nbops/__init__.py"}
    assert {path: found for path, tree in inner.items() if (found := list(reaches_past_the_layers(tree)))} == {}


def test_there_are_no_import_cycles() -> None:
    graph = grimp.build_graph("nbops", exclude_type_checking_imports=True, cache_dir=None)
    # The facade imports lazily, by name, and is outside the layers.
    imports = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules - {"nbops"}}
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


# Documentation and annotations


def public_definitions(tree: ast.Module) -> Iterator[tuple[str, Function | ast.ClassDef]]:
    """Public functions and classes of a module and public methods of its public classes, with their dotted names."""
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield node.name, node
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for method in node.body:
                if isinstance(method, Function) and not method.name.startswith("_"):
                    yield f"{node.name}.{method.name}", method


def is_marked(node: Function | ast.ClassDef, *names: str) -> bool:
    return any(ast.unparse(decorator).split(".")[-1] in names for decorator in node.decorator_list)


def undocumented(tree: ast.Module) -> list[str]:
    exempt = ("override", "overload", "setter")
    definitions = [(name, node) for name, node in public_definitions(tree) if not is_marked(node, *exempt)]
    return [name for name, node in definitions if not ast.get_docstring(node)]


def unannotated(tree: ast.Module) -> list[str]:
    return [name for name, node in public_definitions(tree) if isinstance(node, Function) and not is_annotated(node)]


def is_annotated(node: Function) -> bool:
    given = node.args
    arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    bare = [one for one in arguments if one and one.annotation is None and one.arg not in {"self", "cls"}]
    return not bare and node.returns is not None


def test_everything_public_is_documented(sources: Sources) -> None:
    assert {path: found for path, tree in sources.items() if (found := undocumented(tree))} == {}


def test_everything_public_is_annotated(sources: Sources) -> None:
    assert {path: found for path, tree in sources.items() if (found := unannotated(tree))} == {}


def test_every_module_opens_with_a_paragraph(sources: Sources) -> None:
    assert [path for path, tree in sources.items() if not ast.get_docstring(tree)] == []


# Errors

OURS = {name for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, errors.NbopsError)}
# Raised for the eyes of a person, these would lack a hint and a code; the others are Python's own protocols.
NOT_OURS = {"Exception", "IndexError", "KeyError", "LookupError", "RuntimeError", "TypeError", "ValueError"}


def without_hint(tree: ast.AST) -> list[str]:
    """Errors of ours that are made without a hint, and builtin ones raised in their place."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and last_name(node.func) in OURS and not has_hint(node):
            found.append(ast.unparse(node))
        if isinstance(node, ast.Raise) and node.exc is not None:
            kind = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            if last_name(kind) in NOT_OURS or (kind is node.exc and last_name(kind) in OURS):
                found.append(ast.unparse(node))
    return found


def last_name(node: ast.AST) -> str:
    """`StoreFull` of `StoreFull` and of `errors.StoreFull`."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def has_hint(call: ast.Call) -> bool:
    hints = [keyword.value for keyword in call.keywords if keyword.arg == "hint"]
    return any(not (isinstance(hint, ast.Constant) and not hint.value) for hint in hints)


def test_every_error_carries_a_hint(sources: Sources) -> None:
    assert {path: found for path, tree in sources.items() if (found := without_hint(tree))} == {}


def test_every_error_has_an_exit_code() -> None:
    assert set(vars(builtins)) >= NOT_OURS
    assert {getattr(errors, name).default_code for name in OURS} <= set(errors.EXITS)


def broad_excepts(tree: ast.AST, inside: str = "") -> Iterator[str]:
    """The functions that catch everything, once for each place."""
    for node in ast.iter_child_nodes(tree):
        if (isinstance(node, ast.ExceptHandler) and (node.type is None or is_broad(node.type))) or (
            isinstance(node, ast.Call) and last_name(node.func) == "suppress" and any(map(is_broad, node.args))
        ):
            yield inside
        name = node.name if isinstance(node, Function | ast.ClassDef) else ""
        yield from broad_excepts(node, f"{inside}.{name}".strip("."))


def is_broad(kind: ast.expr) -> bool:
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any(last_name(one) in {"Exception", "BaseException"} for one in kinds)


def test_broad_excepts_are_few_and_listed_with_a_reason(sources: Sources) -> None:
    rows = re.findall(
        r"^\| `(.+?)` \| `(.+?)` \| (.+?) \|$", (ROOT / "docs/broad-excepts.md").read_text("utf-8"), re.MULTILINE
    )
    found = sorted((path, function) for path, tree in sources.items() for function in broad_excepts(tree))
    assert sorted((path, function) for path, function, _ in rows) == found
    assert len(found) <= 5


def prints(tree: ast.AST) -> list[str]:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [ast.unparse(node) for node in calls if isinstance(node.func, ast.Name) and node.func.id == "print"]


def test_only_the_command_line_prints(sources: Sources) -> None:
    silent = {path: tree for path, tree in sources.items() if not path.startswith(("nbops/cli/", "nbops/cli.py"))}
    assert {path: found for path, tree in silent.items() if (found := prints(tree))} == {}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (undocumented(ast.parse("class A:\n 'A.'\n def b(self) -> None: ...")), ["A.b"]),
        (unannotated(ast.parse("def a(b, *c: int) -> int: ...")), ["a"]),
        (unannotated(ast.parse("class A:\n def b(self, c: int): ...")), ["A.b"]),
        (without_hint(ast.parse("raise NotFound('no run')")), ["NotFound('no run')"]),
        (without_hint(ast.parse("raise errors.StoreFull('full', hint='')")), ["errors.StoreFull('full', hint='')"]),
        (without_hint(ast.parse("raise ValueError")), ["raise ValueError"]),
        (without_hint(ast.parse("raise NotFound.of('run', 'x', [], otherwise='look')")), []),
        (list(broad_excepts(ast.parse("class A:\n def b(self):\n  try: c()\n  except: pass"))), ["A.b"]),
        (list(broad_excepts(ast.parse("def a():\n with suppress(KeyError, Exception): b()"))), ["a"]),
        (list(broad_excepts(ast.parse("def a():\n try: b()\n except (OSError, BaseException): raise"))), ["a"]),
        (list(broad_excepts(ast.parse("def a():\n try: b()\n except OSError: raise"))), []),
        (prints(ast.parse("print('here')")), ["print('here')"]),
        (prints(ast.parse("console.print(table)")), []),
        (list(reaches_past_the_layers(ast.parse("import nbops\nnbops.start_run()"))), ["start_run"]),
        (list(reaches_past_the_layers(ast.parse("from nbops import __version__, errors"))), []),
    ],
)
def test_gates_find_what_is_planted(found: list[str], expected: list[str]) -> None:
    assert found == expected


# The tree

# Nobody who clones the repository has these folders, and no name of a package needs the host that serves it.
FOREIGN = {
    "a path of one machine": re.compile(r"(^|[^\w.])/(work|farm|root|tmp/(h|house|scratch|briefs))/", re.MULTILINE),
    "a package registry": re.compile(r"\b(npmjs|pypi|pythonhosted|yarnpkg|debian)[a-z]*\.(com|io|net|org)\b"),
    "a word of the workshop": re.compile(r"\bsub-?agents?\b", re.IGNORECASE),
}


@pytest.fixture(scope="module")
def tree() -> dict[str, str]:
    """Path and text of every file that a commit of everything would hold."""
    if not (ROOT / ".git").exists():
        pytest.skip("no git checkout: which files belong to the project is not known")
    listed = subprocess.run(
        ["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    contents = {name: (ROOT / name).read_bytes() for name in listed.stdout.split("\0") if (ROOT / name).is_file()}
    return {name: content.decode() for name, content in contents.items() if b"\0" not in content}


@pytest.mark.parametrize("kind", FOREIGN)
def test_no_file_betrays_where_it_was_made(kind: str, tree: dict[str, str]) -> None:
    assert "pyproject.toml" in tree
    assert {name: found[0] for name, text in tree.items() if (found := FOREIGN[kind].search(text))} == {}


def test_every_module_on_disk_belongs_to_the_project(sources: Sources, tree: dict[str, str]) -> None:
    assert sources.keys() - tree.keys() == set()


def test_notebooks_carry_no_outputs(tree: dict[str, str]) -> None:
    notebooks = {name: json.loads(text) for name, text in tree.items() if name.endswith(".ipynb")}
    shipped = {name: notebook for name, notebook in notebooks.items() if not name.startswith("tests/")}
    cells = [(name, cell) for name, notebook in shipped.items() for cell in notebook["cells"]]
    assert [name for name, cell in cells if cell.get("outputs") or cell.get("execution_count")] == []


# Lock files


def pins(lock: str) -> dict[str, set[str]]:
    """Names and versions in a lock file; more than one version where Python's own decides."""
    found: dict[str, set[str]] = {}
    for entry in re.split(r"\n(?! )", (ROOT / "requirements" / f"{lock}.txt").read_text("utf-8").strip()):
        pinned = re.fullmatch(r"([\w.-]+)==(\S+)( ; [^\\]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+", entry)
        assert pinned, f"Not a version with its hashes: {entry}"
        found.setdefault(canonicalize_name(pinned[1]), set()).add(pinned[2])
    return found


def wanted(extra: str) -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    own = project["project"]["optional-dependencies"][extra]
    requirements = [Requirement(line) for line in [*project["project"]["dependencies"], *own]]
    return [one for one in requirements if one.name != "nbops"]


@pytest.mark.parametrize("lock", ["demo", "test", "dev"])
def test_lock_holds_what_the_project_asks_for(lock: str) -> None:
    pinned = pins(lock)
    missing = [str(one) for one in wanted(lock) if not any(map(one.specifier.contains, pinned.get(one.name, ())))]
    assert missing == [], "`make lock` writes them"


@pytest.mark.parametrize(("smaller", "larger"), [("demo", "test"), ("test", "dev"), ("build", "dev")])
def test_locks_agree(smaller: str, larger: str) -> None:
    assert pins(smaller).items() <= pins(larger).items()


def test_locks_name_no_download_address() -> None:
    texts = {path.name: path.read_text("utf-8") for path in (ROOT / "requirements").glob("*.txt")}
    assert set(texts) == {"build.txt", "demo.txt", "dev.txt", "oldest.txt", "test.txt"}
    assert [name for name, text in texts.items() if re.search(r"://|--(extra-)?index|--find-links|@ ", text)] == []
