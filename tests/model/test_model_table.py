from __future__ import annotations

from sctabnet.model.model_table import model_table


def test_names_what_it_knows_and_escapes_it(model):
    text = model._repr_html_()
    assert text == model_table(model)
    assert "T/CD4" in text and "batch (2)" in text and model.digest()[:12] in text
    labels = model.labels
    try:
        model.labels = ("<script>", *labels[1:])
        assert "<script>" not in model_table(model)
    finally:
        model.labels = labels
