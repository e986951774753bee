from __future__ import annotations

import pytest

from sctabnet.cli.main import main
from sctabnet.cli.recipe_path import recipe_path


def test_by_name_and_by_path(tmp_path):
    assert recipe_path("smoke_pretrain").endswith("smoke_pretrain.yaml")
    own = tmp_path / "own.yaml"
    own.write_text("trainer:\n  max_epochs: 1\n")
    assert recipe_path(str(own)) == str(own)
    with pytest.raises(FileNotFoundError, match="no recipe 'smok'. Found.*smoke_pretrain"):
        recipe_path("smok")


@pytest.mark.parametrize("how", [["--config", "smoke"], ["--config=smoke"]])
def test_a_name_that_is_no_recipe_is_one_line(how, tmp_path, capsys):
    assert main(["pretrain", str(tmp_path / "a.h5ad"), *how, "--out", str(tmp_path / "m")]) == 2
    assert "There is no recipe 'smoke'" in capsys.readouterr().err
