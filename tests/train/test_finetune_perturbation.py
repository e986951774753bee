from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import sctabnet as sct
from sctabnet.cli.main import main


@pytest.fixture(scope="module")
def screen():
    return sct.datasets.simulate_perturbation(
        60, n_targets=5, n_pairs=6, doses=(1.0, 10.0), cells_per_condition=25, n_control=60
    )


def test_a_control_that_no_cell_has(screen):
    with pytest.warns(UserWarning, match="No cell has the name of the control, 'untreated'"):
        sct.finetune(screen, perturbation_key="perturbation", control="untreated")


def test_doses_from_a_column(screen):
    model = sct.finetune(screen, perturbation_key="perturbation", dose_key="dose")
    found = [
        sct.tl.predict_perturbation(screen, model, ["P1"], dose=[d], return_="delta")
        for d in (0, 1, 10)
    ]
    assert not found[0].X.any()
    assert [f.obs["support"].iloc[0] for f in found] == ["seen", "seen", "seen"]
    assert list(found[2].obs["condition"]) == ["P1@10"]


def test_slot_columns_are_the_same_as_names(screen):
    adata = screen[screen.obs["dose"] <= 1].copy()
    parts = adata.obs["perturbation"].astype(str).str.split("+")
    adata.obs["one"] = pd.Categorical(parts.str[-1])
    adata.obs["two"] = pd.Categorical([p[0] if len(p) > 1 else "control" for p in parts])
    slots = sct.finetune(adata, perturbation_key=["one", "two"])
    names = sct.finetune(adata, perturbation_key="perturbation")
    np.testing.assert_array_equal(slots.network.perturb.delta, names.network.perturb.delta)


def test_same_seed_same_bits(screen):
    one, other = (sct.finetune(screen, perturbation_key="perturbation", seed=3) for _ in range(2))
    assert one.digest() == other.digest()


def test_embeddings_that_are_no_table(screen):
    with pytest.raises(ValueError, match=r"embeddings\['bad'\] must be numbers"):
        sct.finetune(
            screen, perturbation_key="perturbation", embeddings={"bad": {"P1": ["x"], "P2": ["y"]}}
        )


def test_command_learns_predicts_and_refuses(screen, tmp_path, capsys):
    data, out, folder = (str(tmp_path / name) for name in ("s.h5ad", "p.h5ad", "model"))
    screen.write_h5ad(data)
    asked = ["--perturbations", '["P1+P2", "NOSUCH"]', "--batch_key", "batch"]
    assert main(["perturb", "--data", data, *asked, "--out", out, "--save_model", folder]) == 0
    said = capsys.readouterr().out
    assert "mixed model" in said and "mean fallback" in said
    again = ["perturb", "--data", data, "--perturbations", '["P1"]', "--model", folder]
    assert main([*again, "--out", str(tmp_path / "q.h5ad")]) == 0
    assert main([*again, "--out", out]) == 2
    assert "already" in capsys.readouterr().err


def test_command_evaluates_and_refuses(screen, tmp_path, capsys):
    data, out = str(tmp_path / "s.h5ad"), tmp_path / "scores.csv"
    screen[screen.obs["dose"] <= 1].write_h5ad(data)
    verb = ["evaluate", "perturbation", "--data", data, "--batch_key", "batch"]
    assert main([*verb, "--hold_out", '["P1+NOSUCH"]', "--out", str(out)]) == 2
    assert "Not found: ['NOSUCH+P1']" in capsys.readouterr().err.replace("P1+NOSUCH", "NOSUCH+P1")
    pair = next(c for c in screen.obs["perturbation"].cat.categories if "+" in c)
    assert main([*verb, "--hold_out", f'["{pair}"]', "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "sctabnet against" in said and "ridge" in said and "coverage" in said
    table = pd.read_csv(out)
    assert {"sctabnet", "ridge", "replicate"} <= set(table["method"])
    assert main([*verb, "--split", "leave_one_out"]) == 2
    assert "split must be one of" in capsys.readouterr().err
