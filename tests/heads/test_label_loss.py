from __future__ import annotations

import torch
from torch.nn import functional as F

from sctabnet.heads.label_loss import label_loss

torch.manual_seed(0)
LOGITS, LABELS, ONES = torch.randn(9, 3), torch.tensor([0, 1, 2, 0, 1, 2, 0, -1, -1]), torch.ones(9)


def test_plain_and_weighted_losses_are_torchs_over_labelled_cells():
    expected = F.cross_entropy(LOGITS[:7], LABELS[:7])
    torch.testing.assert_close(label_loss(LOGITS, LABELS, ONES), expected)
    weights_c = torch.tensor([1.0, 5.0, 0.5])
    expected = F.cross_entropy(LOGITS[:7], LABELS[:7], weight=weights_c)
    found = label_loss(LOGITS, LABELS, ONES, class_weights_c=weights_c)
    torch.testing.assert_close(found, expected)
    padded = label_loss(LOGITS, LABELS, (torch.arange(9) < 4).float())
    torch.testing.assert_close(padded, F.cross_entropy(LOGITS[:4], LABELS[:4]))


def test_focal_loss_is_its_formula_and_stays_finite_at_certainty():
    p = torch.softmax(LOGITS[:7], 1).gather(1, LABELS[:7, None]).squeeze(1)
    expected = (-((1 - p) ** 2) * torch.log(p)).mean()
    torch.testing.assert_close(label_loss(LOGITS, LABELS, ONES, focal_gamma=2.0), expected)
    sure = torch.tensor([[100.0, 0.0]], requires_grad=True)
    label_loss(sure, torch.tensor([0]), torch.ones(1), focal_gamma=0.5).backward()
    assert torch.isfinite(sure.grad).all()


def test_without_labels_the_loss_is_zero():
    assert label_loss(LOGITS, torch.full((9,), -1), ONES) == 0
