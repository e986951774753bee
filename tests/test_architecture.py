"""The shape of the house, read from the source: who may import whom, and what nobody may do."""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "sctabnet"

# disk -> minibatches -> encoder -> heads -> trained model -> AnnData: imports point to lower ranks
RANK = {
    "genes": 0,
    "data": 1,
    "ops": 2,
    "nn": 3,
    "heads": 4,
    "model": 5,
    "train": 6,
    "uncertainty": 7,
    "importance": 7,
    "evaluate": 7,
    "tabular": 8,
    "datasets": 9,
    "tl": 8,
    "get": 9,
    "pl": 10,
    "report": 11,
    "cli": 12,
}
TOP_LEVEL = {
    "_argument_checks",
    "_atomic",
    "_checks",
    "_errors",
    "_extras",
    "_file_checks",
    "_keys",
    "_result_checks",
    "_settings",
    "_value_kind",
    "_print_versions",
}

ANNDATA_ROOMS = {"data", "tl", "get", "pl", "report", "cli", "datasets"}

# files with more than one public function or class, and why
SEVERAL_PUBLIC_NAMES = {
    "_atomic.py": "the small steps that every writer needs",
    "_checks.py": "every message about user input in one place",
    "_file_checks.py": "the same for files and folders",
    "_result_checks.py": "the same for results that are not there yet",
    "_errors.py": "the three kinds of one error",
    "model/folder.py": "the directions of one file format",
    "tabular/estimator_folder.py": "the two directions of one file format",
    "tabular/class_codes.py": "classes to codes and to JSON, and back",
    "ops/backend.py": "setting and reading one choice",
    "data/categories.py": "the levels of a column, and their codes",
    "data/decoders.py": "one decoder for each of two containers",
}

IMPORTED_NOT_DECLARED = {
    "triton": "comes with CUDA builds of torch; its kernels are used only there",
    "numcodecs": "comes with zarr",
    "tiledbsoma": "the extra `soma`, asked for when a SOMA experiment is opened",
    "huggingface_hub": "the extra `hub`, asked for by Model.from_hub and push_to_hub",
    "shap": "the extra `shap`, asked for by shap_explanation",
}
DECLARED_NOT_IMPORTED = {
    "wandb": "Lightning's WandbLogger imports it when asked for",
    "pyyaml": "jsonargparse reads recipes with it",
}

FORBIDDEN_IMPORTS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
FORBIDDEN_CALLS = {
    "eval",
    "exec",
    "torch.load",
    "np.load",
    "numpy.load",
    "yaml.load",
    "yaml.unsafe_load",
    "os.system",
    "os.popen",
}


def files() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py") if "__pycache__" not in p.parts)


def name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(node: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield (module, line) of every import, also inside functions."""
    for child in ast.walk(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name, child.lineno) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"line {child.lineno}: write imports in full"
            yield child.module or "", child.lineno
            yield from ((f"{child.module}.{alias.name}", child.lineno) for alias in child.names)


def is_record(node: ast.stmt) -> bool:
    """Whether this is what a file's function takes or gives: a dataclass or a named tuple."""
    if not isinstance(node, ast.ClassDef):
        return False
    marks = [dotted(d.func if isinstance(d, ast.Call) else d) for d in node.decorator_list]
    return "dataclass" in marks or "NamedTuple" in map(dotted, node.bases)


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


@pytest.mark.parametrize("path", files(), ids=name)
def test_imports_point_down_the_arrow(path):
    here = room(path)
    if path == PACKAGE / "__init__.py":
        return
    assert here in RANK or here in TOP_LEVEL, f"{here} has no place in the order of rooms"
    for module, line in imports(tree(path)):
        parts = module.split(".")
        if parts[0] != "sctabnet" or len(parts) == 1 or parts[1] in TOP_LEVEL | {"__version__"}:
            continue
        there = parts[1]
        assert there in RANK, f"{name(path)}:{line} imports {module}"
        assert here not in TOP_LEVEL, f"{name(path)}:{line} imports a room"
        assert there == here or RANK[there] < RANK[here], f"{name(path)}:{line} imports {module}"


@pytest.mark.parametrize("path", files(), ids=name)
def test_libraries_stay_in_their_rooms(path):
    here = room(path)
    for module, line in imports(tree(path)):
        library = module.split(".")[0]
        where = f"{name(path)}:{line} imports {module}"
        if library in {"anndata", "scanpy"}:
            assert here in ANNDATA_ROOMS, where
        if library in {"lightning", "pytorch_lightning"}:
            assert here == "train" or name(path) == "data/datamodule.py", where
        assert library not in FORBIDDEN_IMPORTS, where
        assert library not in {"pytorch_tabnet", "entmax"}, f"{where}: an oracle of the tests"


@pytest.mark.parametrize("path", files(), ids=name)
def test_wandb_is_imported_only_when_asked_for(path):
    inside = {
        child
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for child in imports(node)
    }
    at_import = [found for found in imports(tree(path)) if found not in inside]
    assert not [module for module, _ in at_import if module.split(".")[0] == "wandb"]


@pytest.mark.parametrize("path", files(), ids=name)
def test_nothing_runs_code_from_data(path):
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            called = dotted(node.func)
            assert called not in FORBIDDEN_CALLS, f"{name(path)}:{node.lineno} calls {called}"
            shell = [k for k in node.keywords if k.arg == "shell"]
            assert not shell, f"{name(path)}:{node.lineno} passes shell="


@pytest.mark.parametrize("path", files(), ids=name)
def test_files_are_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


@pytest.mark.parametrize("path", files(), ids=name)
def test_one_public_name_per_file_and_the_file_is_named_after_it(path):
    assert path.stem not in {"utils", "util", "helpers", "misc", "common"}
    if path.name == "__init__.py" or name(path) in SEVERAL_PUBLIC_NAMES:
        return
    defined = [node for node in tree(path).body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    public = [node for node in defined if not node.name.startswith("_")]
    main = [node.name for node in public if not is_record(node)]
    if any(p.startswith("_") for p in path.relative_to(PACKAGE).parts):
        return
    assert len(main) <= 1, f"{name(path)} holds {main}"
    wanted = path.stem.replace("_", "").removesuffix("s")
    named = main or [node.name for node in public]
    assert not named or any(wanted in n.lower().replace("_", "") for n in named), named


def test_exceptions_still_exist():
    assert [n for n in SEVERAL_PUBLIC_NAMES if not (PACKAGE / n).is_file()] == []


def test_every_room_says_what_it_is():
    for folder in sorted(p.parent for p in PACKAGE.glob("*/*.py")):
        init = folder / "__init__.py"
        assert init.is_file() and ast.get_docstring(tree(init)), f"{init} needs a docstring"


def test_no_machine_path_or_marker_of_unfinished_work():
    pattern = re.compile(r"/work/|/home/\w|/root/|\b(TODO|FIXME|XXX)\b")
    found = [
        f"{name(path)}:{number}"
        for path in files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]
    assert not found


# packaging ---


@pytest.fixture(scope="module")
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_compromised_releases_are_excluded_and_absent(project):
    """lightning 2.6.2 and 2.6.3 stole credentials when imported (GHSA-w37p-236h-pfx3)."""
    [line] = [d for d in project["project"]["dependencies"] if d.startswith("lightning")]
    assert "!=2.6.2" in line and "!=2.6.3" in line
    for package in ("lightning", "pytorch-lightning"):
        try:
            version = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
        assert version not in {"2.6.2", "2.6.3"}


def test_dependencies_are_the_imports(project):
    """What is imported is declared, and what is declared is imported."""
    listed = {re.split(r"[\[<>=!;, ]", d)[0].lower() for d in project["project"]["dependencies"]}
    package_of = {"sklearn": "scikit-learn", "yaml": "pyyaml"}
    imported = {module.split(".")[0] for path in files() for module, _ in imports(tree(path))}
    imported = {package_of.get(m, m) for m in imported}
    outside = imported - set(sys.stdlib_module_names) - {"sctabnet"}
    assert outside - listed - set(IMPORTED_NOT_DECLARED) == set()
    assert listed - outside - set(DECLARED_NOT_IMPORTED) == set()
