from __future__ import annotations

import pytest
import torch

from sctabnet.nn.dense_encoder import DenseConfig
from sctabnet.nn.dense_pretrainer import DensePretrainer
from sctabnet.nn.dense_tabnet import DenseTabNet


@pytest.mark.parametrize("groups", [(), ([0, 1], [5, 9])], ids=["alone", "grouped"])
def test_no_tensor_grows_with_the_square_of_the_columns(groups: tuple[list[int], ...]) -> None:
    n_columns = 60_000
    config = DenseConfig(n_d=2, n_a=2, n_steps=1, n_shared=1, n_independent=0)
    model = DenseTabNet(n_columns, (2,), groups=groups, config=config)
    sizes: list[int] = []

    def record(_module: object, _args: object, output: object) -> None:
        if isinstance(output, torch.Tensor):
            sizes.append(output.numel())

    for module in model.modules():
        module.register_forward_hook(record)
    out = model(torch.randn(4, n_columns))
    sizes += [tensor.numel() for tensor in (*model.parameters(), *model.buffers())]
    sizes += [out.masks_sng.numel(), out.explanation_ng.numel()]
    assert max(sizes) <= 8 * n_columns


def test_padding_rows_change_nothing() -> None:
    torch.manual_seed(0)
    config = DenseConfig(ghost_size=64)
    x_ng = torch.randn(30, 7)
    weights_n = (torch.arange(30) < 20).float()
    plain, padded = (DenseTabNet(7, (3,), config=config) for _ in range(2))
    padded.load_state_dict(plain.state_dict())
    expected, out = plain(x_ng[:20]), padded(x_ng, weights_n)
    torch.testing.assert_close(out.outputs[0][:20], expected.outputs[0], rtol=0, atol=1e-5)
    torch.testing.assert_close(out.steps.sparsity, expected.steps.sparsity)
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(padded.state_dict()[name], value)


def test_first_masks_do_not_look_at_hidden_columns() -> None:
    torch.manual_seed(0)
    model = DensePretrainer(6, config=DenseConfig(n_steps=1, mask="softmax")).eval()
    x_ng = torch.randn(10, 6)
    hidden_na = model.draw_hidden(10, 0.5, torch.Generator().manual_seed(1))
    out = model(x_ng, hidden_na)
    changed = model(torch.where(hidden_na == 1, x_ng + 5, x_ng), hidden_na)
    # Whatever a hidden column held, the encoder and the reconstruction are the same.
    torch.testing.assert_close(out.reconstruction_ne, changed.reconstruction_ne)
    torch.testing.assert_close(out.steps.masks_sna, changed.steps.masks_sna)


def test_one_row_in_training() -> None:
    out = DenseTabNet(4, (2,))(torch.randn(1, 4))
    assert torch.isfinite(out.outputs[0]).all()
