"""pytorch-tabnet 4.1 as the oracle of the dense path: same weights, same numbers."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sctabnet.nn.dense_encoder import DenseConfig
from sctabnet.nn.dense_pretrainer import DensePretrainer
from sctabnet.nn.dense_tabnet import DenseTabNet
from sctabnet.nn.embedding_columns import CategoricalColumn

tab_network = pytest.importorskip("pytorch_tabnet.tab_network")
tab_utils = pytest.importorskip("pytorch_tabnet.utils")
tab_metrics = pytest.importorskip("pytorch_tabnet.metrics")

MASKS = {"sparsemax": "sparsemax", "entmax15": "entmax"}
N_COLUMNS = 9
CATEGORICAL = (CategoricalColumn(2, 5, 3), CategoricalColumn(6, 4, 1), CategoricalColumn(8, 3, 2))
GROUPS = [[4, 1], [2, 5, 7]]


def our_name(theirs: str, n_shared: int, n_shared_decoder: int) -> str | None:
    """Name of pytorch-tabnet's tensor in ours; None for copies and tensors it never uses."""
    name = theirs.removeprefix("tabnet.")
    if "shared_layers" in name or name.startswith("initial_bn") or "num_batches" in name:
        return None
    name = name.replace("running_mean", "running_mean_d").replace(
        "running_var", "running_variance_d"
    )
    block = re.fullmatch(
        r"(encoder|decoder)\.(initial_splitter|feat_transformers\.(\d+))"
        r"\.(shared|specifics)\.glu_layers\.(\d+)\.(fc|bn\.bn)\.(\w+)",
        name,
    )
    if block:
        part, where, step_text, kind, layer_text, what, leaf = block.groups()
        step = 0 if where == "initial_splitter" else int(step_text) + (part == "encoder")
        n_before = 0 if kind == "shared" else n_shared if part == "encoder" else n_shared_decoder
        layer = int(layer_text)
        prefix = "encoder." if part == "encoder" else "decoder_"
        if what == "bn.bn":
            return f"{prefix}transformers.{step}.norms.{n_before + layer}.{leaf}"
        first = "encoder.first_maps" if part == "encoder" else "decoder_first"
        shared = "encoder.shared_maps" if part == "encoder" else "decoder_shared"
        if kind == "shared":
            return f"{first}.0.{leaf}" if layer == 0 else f"{shared}.{layer - 1}.{leaf}"
        if n_before == 0:
            if layer == 0:
                return f"{first}.{step}.{leaf}"
            layer -= 1
        return f"{prefix}transformers.{step}.own.{layer}.{leaf}"
    for pattern, replacement in (
        (r"embedder\.embeddings\.", "embedding.tables."),
        (r"encoder\.initial_bn\.", "encoder.input_norm."),
        (r"encoder\.att_transformers\.(\d+)\.fc\.", r"encoder.attention_maps.\1."),
        (r"encoder\.att_transformers\.(\d+)\.bn\.bn\.", r"encoder.attention_norms.\1."),
        (r"final_mapping\.", "outputs.0."),
        (r"multi_task_mappings\.", "outputs."),
        (r"decoder\.reconstruction_layer\.", "reconstruct."),
    ):
        name = re.sub("^" + pattern, replacement, name)
    return name


def give_weights(
    theirs: nn.Module, ours: nn.Module, n_shared: int, n_shared_decoder: int = 0
) -> dict[str, str]:
    """Copy every weight; return the mapping ours -> theirs (strict on both sides)."""
    state, names = {}, {}
    for name, value in theirs.state_dict().items():
        renamed = our_name(name, n_shared, n_shared_decoder)
        if renamed is not None:
            state[renamed] = value.clone()
            names[renamed] = name
    ours.load_state_dict(state, strict=True)
    return names


def randomise(module: nn.Module) -> None:
    for submodule in module.modules():
        if isinstance(submodule, nn.BatchNorm1d):
            with torch.no_grad():
                submodule.weight.normal_(1, 0.3)
                submodule.bias.normal_(0, 0.3)
                submodule.running_mean.normal_(0, 0.5)
                submodule.running_var.uniform_(0.5, 2)


def pair(
    *,
    mask: str = "sparsemax",
    n_shared: int = 2,
    n_independent: int = 2,
    n_steps: int = 3,
    n_outputs: tuple[int, ...] = (3,),
    categorical: tuple[CategoricalColumn, ...] = CATEGORICAL,
    groups: list[list[int]] | None = None,
    pretrainer: dict[str, Any] | None = None,
) -> tuple[Any, Any, dict[str, str]]:
    torch.manual_seed(0)
    shape = {
        "n_d": 6,
        "n_a": 5,
        "n_steps": n_steps,
        "gamma": 1.4,
        "n_shared": n_shared,
        "n_independent": n_independent,
    }
    their_options = {
        **shape,
        "cat_idxs": [c.column for c in categorical],
        "cat_dims": [c.n_codes for c in categorical],
        "cat_emb_dim": [c.dim for c in categorical],
        "virtual_batch_size": 16,
        "mask_type": MASKS[mask],
        "group_attention_matrix": tab_utils.create_group_matrix(groups or [], N_COLUMNS),
    }
    options = {
        "categorical": categorical,
        "groups": groups or (),
        "config": DenseConfig(**shape, mask=mask, ghost_size=16),
    }
    if pretrainer is None:
        outputs = list(n_outputs) if len(n_outputs) > 1 else n_outputs[0]
        theirs = tab_network.TabNet(N_COLUMNS, outputs, **their_options)
        ours = DenseTabNet(N_COLUMNS, n_outputs, **options)
    else:
        theirs = tab_network.TabNetPretraining(
            N_COLUMNS,
            n_shared_decoder=pretrainer["n_shared_decoder"],
            n_indep_decoder=pretrainer["n_independent_decoder"],
            **their_options,
        )
        ours = DensePretrainer(N_COLUMNS, **options, **pretrainer)
    randomise(theirs)
    names = give_weights(theirs, ours, n_shared, (pretrainer or {}).get("n_shared_decoder", 0))
    return theirs, ours, names


def table(n: int, categorical: tuple[CategoricalColumn, ...] = CATEGORICAL) -> Tensor:
    x_ng = torch.randn(n, N_COLUMNS) * 2
    for c in categorical:
        x_ng[:, c.column] = torch.randint(0, c.n_codes, (n,)).float()
    return x_ng


def as_double(theirs: Any, ours: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """float64: a training pass divides by small variances, which magnifies float32 rounding."""
    # pytorch-tabnet writes its residual scale as a float32 constant.
    monkeypatch.setattr(torch, "FloatTensor", torch.DoubleTensor)
    theirs.double(), ours.double()
    encoder = theirs.encoder if hasattr(theirs, "encoder") else theirs.tabnet.encoder
    encoder.group_attention_matrix = encoder.group_attention_matrix.double()
    if hasattr(theirs, "masker"):
        theirs.masker.group_matrix = theirs.masker.group_matrix.double()


def close(ours: Tensor, theirs: Tensor, atol: float = 1e-5) -> None:
    torch.testing.assert_close(ours, theirs, rtol=0, atol=atol)


CASES = [
    {"mask": mask, "n_shared": n_shared, "n_independent": n_independent}
    for mask in MASKS
    for n_shared, n_independent in [(2, 2), (1, 0), (2, 0), (0, 1), (0, 2), (1, 3)]
] + [
    {"mask": "entmax15", "n_outputs": (3, 2, 1)},
    {"mask": "sparsemax", "n_outputs": (3, 2)},
    {"mask": "entmax15", "categorical": ()},
    {"mask": "sparsemax", "categorical": (), "groups": GROUPS},
    {"mask": "entmax15", "groups": GROUPS},
    {"mask": "sparsemax", "n_steps": 1},
    {"mask": "sparsemax", "n_steps": 5, "groups": GROUPS, "n_outputs": (2, 4)},
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_evaluation(case: dict[str, Any]) -> None:
    theirs, ours, _ = pair(**case)
    theirs.eval(), ours.eval()
    x_ng = table(50, case.get("categorical", CATEGORICAL))
    with torch.no_grad():
        expected, m_loss = theirs(x_ng)
        explain_ne, masks = theirs.forward_masks(x_ng)
        out = ours(x_ng)
    expected = expected if isinstance(expected, list) else [expected]
    assert len(expected) == len(out.outputs)
    for ours_nc, theirs_nc in zip(out.outputs, expected, strict=True):
        close(ours_nc, theirs_nc)
    close(out.steps.sparsity, -m_loss)
    # pytorch-tabnet's reduction from embedded to original columns (float64, dense).
    reduce_eg = torch.from_numpy(
        tab_utils.create_explain_matrix(
            theirs.input_dim, theirs.cat_emb_dim, theirs.cat_idxs, theirs.post_embed_dim
        ).toarray()
    ).float()
    close(out.explanation_ng, explain_ne @ reduce_eg, 2e-5)
    for step, mask_ne in masks.items():
        close(out.masks_sng[step], mask_ne @ reduce_eg)
    assert (out.masks_sng == 0).any()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_training_pass_gradients_and_running_statistics(
    case: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, ours, names = pair(**case)
    as_double(theirs, ours, monkeypatch)
    x_ng = table(61, case.get("categorical", CATEGORICAL)).double()
    for _ in range(2):
        expected, m_loss = theirs(x_ng)
        out = ours(x_ng)
    expected = expected if isinstance(expected, list) else [expected]
    weights = [torch.randn_like(theirs_nc) for theirs_nc in expected]
    for ours_nc, theirs_nc in zip(out.outputs, expected, strict=True):
        close(ours_nc, theirs_nc)
    close(out.steps.sparsity, -m_loss)
    total = sum((a * w).mean() for a, w in zip(expected, weights, strict=True)) - 0.1 * m_loss
    total.backward()
    ours_total = sum((a * w).mean() for a, w in zip(out.outputs, weights, strict=True))
    (ours_total + 0.1 * out.steps.sparsity).backward()
    their_parameters = dict(theirs.named_parameters(remove_duplicate=False))
    checked = 0
    for name, parameter in ours.named_parameters():
        expected_gradient = their_parameters[names[name]].grad
        if expected_gradient is not None:
            close(parameter.grad, expected_gradient, 1e-4)
            checked += bool(parameter.grad.abs().max() > 1e-4)
    assert checked > 10
    their_state = theirs.state_dict()
    for name, value in ours.state_dict().items():
        if "running" in name:
            close(value, their_state[names[name]])


PRETRAINERS = [
    {"pretrainer": {"n_shared_decoder": 1, "n_independent_decoder": 1}, "mask": "sparsemax"},
    {"pretrainer": {"n_shared_decoder": 1, "n_independent_decoder": 1}, "mask": "entmax15"},
    {"pretrainer": {"n_shared_decoder": 0, "n_independent_decoder": 2}, "n_shared": 0},
    {"pretrainer": {"n_shared_decoder": 3, "n_independent_decoder": 0}, "groups": GROUPS},
    {"pretrainer": {"n_shared_decoder": 2, "n_independent_decoder": 1}, "categorical": ()},
]


@pytest.mark.parametrize("case", PRETRAINERS, ids=str)
def test_pretrainer_evaluation(case: dict[str, Any]) -> None:
    theirs, ours, _ = pair(**case)
    theirs.eval(), ours.eval()
    x_ng = table(50, case.get("categorical", CATEGORICAL))
    with torch.no_grad():
        reconstruction_ne, embedded_ne, hidden_ne = theirs(x_ng)
        out = ours(x_ng)
    close(out.reconstruction_ne, reconstruction_ne)
    close(out.embedded_ne, embedded_ne)
    assert torch.equal(out.hidden_ne, hidden_ne)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("case", PRETRAINERS, ids=str)
def test_pretrainer_with_a_given_obfuscation(
    case: dict[str, Any], training: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, ours, names = pair(**case)
    as_double(theirs, ours, monkeypatch)
    x_ng = table(61, case.get("categorical", CATEGORICAL)).double()
    hidden_na = ours.draw_hidden(61, 0.4, torch.Generator().manual_seed(0)).double()
    assert 0.3 < hidden_na.mean() < 0.5
    monkeypatch.setattr(torch, "bernoulli", lambda *_args, **_kwargs: hidden_na)
    theirs.train()
    if not training:
        # theirs hides columns in training mode only: freeze its norms instead.
        for submodule in theirs.modules():
            if isinstance(submodule, nn.BatchNorm1d):
                submodule.eval()
    reconstruction_ne, embedded_ne, hidden_ne = theirs(x_ng)
    out = ours.train(training)(x_ng, hidden_na)
    close(out.reconstruction_ne, reconstruction_ne)
    close(out.embedded_ne, embedded_ne)
    close(out.hidden_ne, hidden_ne)
    tab_metrics.UnsupervisedLoss(reconstruction_ne, embedded_ne, hidden_ne).backward()
    tab_metrics.UnsupervisedLoss(out.reconstruction_ne, out.embedded_ne, out.hidden_ne).backward()
    their_parameters = dict(theirs.named_parameters(remove_duplicate=False))
    for name, parameter in ours.named_parameters():
        expected_gradient = their_parameters[names[name]].grad
        if expected_gradient is not None:
            close(parameter.grad, expected_gradient, 1e-4)
