"""Sizes and choices of the gene-token encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from sctabnet.nn.step_mixer import MixName
from sctabnet.nn.tokenise import Support

ALPHA = {"softmax": 1.0, "entmax15": 1.5, "sparsemax": 2.0}


@dataclass(kw_only=True)
class EncoderConfig:
    """Sizes and choices of the encoder; the defaults are TabNet's own parts, but for batch norm."""

    n_d: int = 32
    """Width of the decision output, the embedding."""
    n_a: int = 32
    """Width of the attention state."""
    n_steps: int = 3
    """Decision steps."""
    gamma: float = 1.3
    """Relaxation of the prior: 1 forces new genes at every step."""
    n_shared: int = 2
    """GLU layers shared by all steps, the gene embedding counted as the first."""
    n_independent: int = 2
    """GLU layers of each step's own."""
    mask: Literal["softmax", "entmax15", "sparsemax"] = "entmax15"
    """Activation of the masks."""
    support: Literal["expressed", "panel"] = "expressed"
    """Genes over which a mask may spread."""
    shared_keys: bool = False
    """One key per gene for all steps, instead of one per step."""
    ghost_size: int = 0
    """Cells per ghost batch, TabNet's batch norm; 0 takes no statistics and leaves scale and shift.
    Off by default: after pretraining, cells of a held-out batch were predicted worse with it."""
    momentum: float = 0.1
    """Share of the newest ghost batch in the running statistics of the batch norms."""
    n_programs: int = 0
    """Gene-program tokens that the attention state reads before each mask; 0 switches them off."""
    program_layers: int = 1
    """Self-attention layers among the gene programs."""
    program_heads: int = 4
    """Heads of the attention among and over the gene programs; must divide n_a."""
    steps: MixName = "sum"
    """How decision steps become one embedding; see :class:`~sctabnet.nn.step_mixer.StepMixer`."""
    step_kernel: int = 3
    """Steps that one convolution over steps sees; odd."""
    step_heads: int = 4
    """Heads of the multi-head channel attention."""
    step_dropout: float = 0.1
    """Dropout of what the mixing of steps adds."""

    def __post_init__(self) -> None:
        if min(self.n_d, self.n_a, self.n_steps, self.n_shared) < 1 or self.n_independent < 0:
            msg = (
                "n_d, n_a, n_steps and n_shared must be at least 1 and n_independent at least "
                f"0. Found n_d={self.n_d}, n_a={self.n_a}, n_steps={self.n_steps}, "
                f"n_shared={self.n_shared}, n_independent={self.n_independent}."
            )
            raise ValueError(msg)
        if self.gamma < 1:
            msg = f"gamma must be at least 1. Found {self.gamma}. TabNet uses 1.0 to 2.0."
            raise ValueError(msg)
        if self.mask not in ALPHA:
            msg = f"mask={self.mask!r} is not known. Choose one of {sorted(ALPHA)}."
            raise ValueError(msg)
        if self.support not in get_args(Support):
            known = list(get_args(Support))
            msg = f"support={self.support!r} is not known. Choose one of {known}."
            raise ValueError(msg)
        if self.ghost_size < 0 or self.ghost_size == 1 or not 0 < self.momentum <= 1:
            msg = (
                "ghost_size must be 0 (off) or at least 2 and momentum lie in (0, 1]. Found "
                f"ghost_size={self.ghost_size}, momentum={self.momentum}."
            )
            raise ValueError(msg)
        self._check_programs()
        self._check_steps()

    def _check_programs(self) -> None:
        if self.n_programs < 0 or self.n_programs == 1:
            msg = f"n_programs must be 0 (off) or at least 2. Found {self.n_programs}. Try 8."
            raise ValueError(msg)
        if min(self.program_layers, self.program_heads) < 1:
            msg = (
                "program_layers and program_heads must be at least 1. Found "
                f"{self.program_layers} and {self.program_heads}."
            )
            raise ValueError(msg)
        if self.n_programs and self.n_a % self.program_heads:
            msg = (
                "program_heads must divide n_a. Found "
                f"program_heads={self.program_heads}, n_a={self.n_a}. "
                f"Choose one of {_divisors(self.n_a)}."
            )
            raise ValueError(msg)

    def _check_steps(self) -> None:
        if self.steps not in get_args(MixName):
            msg = f"steps={self.steps!r} is not known. Choose one of {list(get_args(MixName))}."
            raise ValueError(msg)
        if not 0 <= self.step_dropout < 1:
            msg = f"step_dropout must lie in [0, 1). Found {self.step_dropout}. Try 0.1."
            raise ValueError(msg)
        if self.steps == "sum":
            return
        if self.n_steps < 2:
            msg = (
                f"steps={self.steps!r} mixes decision steps. Found n_steps={self.n_steps}. "
                "Pass n_steps of 2 or more, or steps='sum'."
            )
            raise ValueError(msg)
        if self.step_kernel % 2 == 0 or not 1 <= self.step_kernel <= 2 * self.n_steps - 1:
            msg = (
                f"step_kernel must be odd, from 1 to {2 * self.n_steps - 1} for "
                f"n_steps={self.n_steps}. Found {self.step_kernel}."
            )
            raise ValueError(msg)
        if self.steps == "multi_head" and (self.step_heads < 1 or self.n_d % self.step_heads):
            msg = (
                "step_heads must divide n_d. Found "
                f"step_heads={self.step_heads}, n_d={self.n_d}. "
                f"Choose one of {_divisors(self.n_d)}."
            )
            raise ValueError(msg)


def _divisors(n: int) -> list[int]:
    return [i for i in range(1, n + 1) if n % i == 0]
