"""The pages are true: names exist, commands parse, the Python on them runs, all is linked."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import anndata as ad
import matplotlib.pyplot as plt
import pandas as pd
import pytest

import sctabnet as sct
from sctabnet.cli.main import VERBS, main

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(p for p in DOCS.rglob("*.md") if "_build" not in p.parts)
HOW_TO = [p for p in PAGES if p.parent.name == "howto" and p.stem != "index"]
TEXT = {page: page.read_text(encoding="utf-8") for page in PAGES}


def name(page: Path) -> str:
    return page.relative_to(DOCS).as_posix()


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT[page], flags=re.DOTALL | re.MULTILINE)


def test_every_public_name_has_its_place_in_the_reference():
    reference = "\n".join(TEXT[DOCS / "api" / page] for page in ("index.md", "data.md"))
    listed = set(re.findall(r"^   ([\w.]+)$", reference, flags=re.MULTILINE))
    rooms = ("tl", "get", "pl", "evaluate", "datasets", "report", "tabular")
    public = {f"{room}.{n}" for room in rooms for n in getattr(sct, room).__all__}
    public |= set(sct.__all__) - set(rooms)
    assert public - listed == set()
    for entry in listed - public:  # of the data room: imported by their full path
        module, _, attribute = f"sctabnet.{entry}".rpartition(".")
        assert hasattr(__import__(module, fromlist=[attribute]), attribute), entry


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_what_is_named_exists(page):
    for path in re.findall(r"\bsct\.((?:\w+\.)*\w+)", TEXT[page]):
        found = sct
        for part in path.split("."):
            assert hasattr(found, part), f"sct.{path}"
            found = getattr(found, part)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_take_their_options(page, tmp_path, monkeypatch, capsys):
    """The files are not there: that, and nothing about options, must be what is wrong."""
    monkeypatch.chdir(tmp_path)
    text = "\n".join(blocks(page, "bash"))
    for command in re.findall(r"^(?:\.venv/bin/)?(sctabnet .*)$", text, flags=re.MULTILINE):
        argv = shlex.split(command.split(" #")[0])[1:]
        if "--config" in argv:
            at = argv.index("--config") + 1
            argv[at] = str(ROOT / argv[at])
        assert argv[0] in VERBS, command
        assert main(argv) == 2
        message = capsys.readouterr().err
        assert "does not exist" in message or "not a run folder" in message, f"{command}: {message}"


@pytest.fixture
def scene(cells, model, tiny, tmp_path, monkeypatch):
    """What a how-to takes for granted, with training that takes seconds."""
    monkeypatch.chdir(tmp_path)
    for call in ("pretrain", "finetune"):
        whole = getattr(sct, call)

        def small(*args, whole=whole, **options):
            perturbs = "perturbation_key" in options
            started = options.get("init") is not None
            sizes = {} if perturbs else {"max_epochs": 1} if started else tiny | {"max_epochs": 1}
            return whole(*args, **(sizes | options))

        monkeypatch.setattr(sct, call, small, raising=False)
    adata = cells.copy()
    names = {"T/CD4": "T cell", "NK": "NK cell"}
    adata.obs["cell_type"] = adata.obs["cell_type"].cat.rename_categories(names)
    adata.obs["leiden"] = adata.obs["cell_type"].cat.codes.astype(str)
    reference, query = adata[:120].copy(), adata[120:].copy()
    reference.write_h5ad("reference.h5ad")
    query.write_h5ad("query.h5ad")
    screen = sct.datasets.simulate_perturbation(
        60, n_targets=4, n_pairs=2, n_contexts=1, cells_per_condition=20, n_control=40
    )
    yield {"sct": sct, "pd": pd, "reference": reference, "query": query, "screen": screen}
    plt.close("all")


@pytest.mark.parametrize("page", HOW_TO, ids=name)
@pytest.mark.filterwarnings("ignore:Groups of fewer than:UserWarning")
def test_the_python_of_a_how_to_runs(page, scene):
    code = "\n".join(blocks(page, "python"))
    assert code
    if "shap" in code:
        pytest.importorskip("shap")
    scene["model"] = sct.finetune(scene["reference"], labels_key="cell_type", deep=False)
    exec(compile(code, name(page), "exec"), scene)
    if page.stem == "annotate":
        assert isinstance(scene["doubtful"], ad.AnnData) and scene["both"].shape == (3, 3)


def test_builds_without_a_warning(tmp_path):
    """All but the reference, whose docstrings take longer: `make docs` reads them."""
    for package in ("sphinx", "myst_nb", "pydata_sphinx_theme"):
        pytest.importorskip(package)
    source = tmp_path / "docs"
    skipped = shutil.ignore_patterns("_build", "generated", "api", "*.ipynb")
    shutil.copytree(DOCS, source, ignore=skipped)
    (source / "api").mkdir()
    for page in (DOCS / "api").glob("*.md"):
        (source / "api" / page.name).write_text(f"---\norphan: true\n---\n# {page.stem}\n")
    for folder in ("workflows", "sctabnet"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    shutil.copyfile(ROOT / "README.md", tmp_path / "README.md")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "-D",
        "nb_execution_mode=off",
        "--keep-going",
        "-q",
        "-b",
        "html",
    ]
    built = tmp_path / "docs" / "_build" / "html"
    done = subprocess.run([*command, source, built], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (built / "tutorials" / "01_annotate.html").is_file()
