from __future__ import annotations

import pytest
import torch

import sctabnet as sct
from sctabnet.nn.gene_encoder import EncoderOutput
from sctabnet.train.mask_dynamics import mask_dynamics


def output_of(*masks):
    return EncoderOutput(
        embedding=torch.zeros(2, 1),
        masks=[torch.tensor(mask) for mask in masks],
        step_weights=torch.ones(2, len(masks)),
        sparsity=torch.tensor(0.5),
        offsets=torch.tensor([0, 3, 5]),
    )


def test_support_entropy_and_overlap_of_cells_that_count():
    output = output_of([0.5, 0.5, 0.0, 1.0, 0.0], [0.2, 0.0, 0.8, 1.0, 0.0])
    found = mask_dynamics(output, torch.ones(2))
    assert found == pytest.approx({"mask_support": 1.5, "mask_entropy": 0.5, "mask_overlap": 0.6})
    first = mask_dynamics(output, torch.tensor([1.0, 0.0]))
    assert first["mask_support"] == 2 and first["mask_overlap"] == pytest.approx(0.2)
    assert "mask_overlap" not in mask_dynamics(output_of([1.0, 0, 0, 1, 0]), torch.ones(2))


def test_every_part_of_the_encoder_learns_labels_and_leaves_a_record(cells, tiny, tmp_path):
    """Pretraining, fine-tuning, saving and explaining go through the same options."""
    parts = {"n_programs": 4, "steps": "multi_head", "n_d": 8, "n_a": 8, "n_steps": 2}
    short = {**tiny, **parts, "max_epochs": 2}
    start = sct.pretrain(cells, **short)
    model = sct.finetune(
        cells, init=start, labels_key="cell_type", class_weight="balanced", focal_gamma=1.0,
        consistency_weight=0.1, max_epochs=2,
    )  # fmt: skip
    assert model.config.encoder.n_programs == 4
    record = model.history[-1]["dynamics"]
    assert len(record) == 2
    wanted = {"mask_support", "mask_entropy", "mask_overlap"}
    wanted |= {"loss_labels", "loss_sparsity", "loss_consistency"}
    wanted |= {"gradient_genes", "gradient_encoder", "gradient_heads"}
    assert wanted <= set(record[0]) and all(torch.isfinite(torch.tensor([*record[0].values()])))
    model.save(tmp_path / "model")
    again = sct.Model.load(tmp_path / "model")
    explained = sct.tl.gene_importance(cells, again, copy=True)
    assert explained.var["sctabnet_importance"].notna().any()


def test_unknown_choices_of_the_loss_are_refused():
    from sctabnet.heads.labels import LabelHead

    with pytest.raises(ValueError, match="class_weight='even' is not known. Choose one of"):
        LabelHead.Config(class_weight="even")
    with pytest.raises(ValueError, match="focal_gamma must be at least 0"):
        LabelHead.Config(focal_gamma=-1)
