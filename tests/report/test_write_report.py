from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest

import sctabnet as sct
from sctabnet.cli.main import main


@pytest.fixture(scope="module")
def example():
    adata, model = sct.datasets.example()
    adata.obsm["X_umap"] = adata.obsm["X_sctabnet"][:, :2]  # stands in for a map
    return adata, model


@pytest.fixture(scope="module")
def page(example, tmp_path_factory):
    adata, model = example
    adata = adata.copy()
    adata.obs_names = ["</script><b>odd" if i == 0 else f"cell {i}" for i in range(adata.n_obs)]
    out = tmp_path_factory.mktemp("report") / "report.html"
    return sct.report.write_report(adata, model, out, labels_key="cell_type", name="example")


def test_the_page_says_what_the_file_holds(page, example):
    adata, model = example
    text = page.read_text(encoding="utf-8")
    data = json.loads(re.search(r"<script id='data' [^>]*>(.*?)</script>", text, re.S)[1])
    assert data["name"][0] == "</script><b>odd" and len(data["name"]) == adata.n_obs
    assert [data["labels"][code] for code in data["label"]] == list(adata.obs["sctabnet_label"])
    np.testing.assert_allclose(data["x"], adata.obsm["X_umap"][:, 0], atol=1e-3)
    assert model.digest() in text and "Known" not in text
    best = sct.get.importance_df(adata, "T cell", n_genes=1)["gene"][0]
    assert best in text
    assert not re.search(r"(src|href)=['\"]?(https?:)?//", text)


def test_warnings_are_plain(example, tmp_path):
    adata, model = example
    few = adata[:, :70].copy()
    few.obs["sctabnet_unknown"] = True
    few.obs["sctabnet_confidence"] = np.float32(0.2)
    del few.obs["batch"]
    few.uns["sctabnet"]["params"]["weights"] = "0" * 64
    few.uns["sctabnet"]["params"]["set_widening"] = 1.5
    text = sct.report.write_report(few, model, tmp_path / "r.html").read_text(encoding="utf-8")
    for words in ("Only 70 of", "100.0% of the cells are flagged", "below 0.5", "&#x27;batch&#x27;",
                  "another digest", "sets were widened", "no known labels were given"):  # fmt: skip
        assert words in text


def test_what_is_missing_is_named(cells, example, tmp_path, model_folder, capsys):
    with pytest.raises(KeyError, match="transfer_labels"):
        sct.report.write_report(cells, example[1], tmp_path / "r.html")
    plain = cells.copy()
    plain.write_h5ad(tmp_path / "plain.h5ad")
    arguments = ["--model", str(model_folder), "--out", str(tmp_path / "r.html")]
    assert main(["report", str(tmp_path / "plain.h5ad"), *arguments]) == 2
    assert "transfer_labels" in capsys.readouterr().err
    assert not (tmp_path / "r.html").exists()


def test_from_the_command_line_and_never_over_a_file(annotated, model_folder, tmp_path, capsys):
    annotated.copy().write_h5ad(tmp_path / "a.h5ad")
    out = tmp_path / "r.html"
    arguments = [
        "report",
        str(tmp_path / "a.h5ad"),
        "--model",
        str(model_folder),
        "--out",
        str(out),
    ]
    assert main(arguments) == 0
    assert "principal axes" in out.read_text(encoding="utf-8")
    assert main(arguments) == 2
    capsys.readouterr()


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("chromium is not installed: the page was not looked at in a browser")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


def test_in_a_browser(page, browser, example):
    tab = browser.new_page()
    errors, requests = [], []
    tab.on("console", lambda message: errors.append(message.text))
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("request", lambda request: requests.append(request.url))
    tab.goto(page.as_uri())
    adata = example[0]
    assert tab.locator("#count").inner_text() == "240 cells match, the first 200 are shown"
    assert tab.locator("b").count() == 0, "a cell's name became markup"
    tab.fill("#filter", "nk cell")
    n = int((adata.obs["sctabnet_label"] == "NK cell").sum())
    assert tab.locator("#count").inner_text() == f"{n} cells match"
    assert tab.locator("#cells tbody tr").count() == n
    tab.select_option("#only", "unknown")
    unknown = adata.obs["sctabnet_unknown"] & (adata.obs["sctabnet_label"] == "NK cell")
    assert tab.locator("#cells tbody tr").count() == int(unknown.sum())
    whole = tab.evaluate("document.getElementById('canvas').toDataURL()")
    tab.locator("#canvas").hover()
    tab.mouse.wheel(0, -400)
    tab.wait_for_function("Number(document.getElementById('canvas').dataset.zoom) > 1.5")
    assert tab.evaluate("document.getElementById('canvas').toDataURL()") != whole
    tab.click("#all")
    tab.select_option("#colour", "confidence")
    assert tab.evaluate("document.getElementById('canvas').toDataURL()") != whole
    tab.screenshot(path=page.with_suffix(".png"), full_page=True)
    assert errors == [] and requests == [page.as_uri()]
    tab.close()


def test_names_the_sources_of_the_model(annotated, model, tmp_path):
    out = sct.report.write_report(annotated, model, tmp_path / "page.html")
    page = out.read_text(encoding="utf-8")
    assert "adata (240 cells, 120 genes)" in page and "mask_support" not in page
