"""The switch that takes numbers too small for the usual format for zero."""

import pytest
import torch
from torch import nn

from isoflop.lm.subnormals import subnormals_as_zero
from isoflop.lm.transformer import Configuration, Transformer
from isoflop.train.loss import summed_loss


def _halved() -> float:
    """Half of the smallest usual float32, as torch computes it."""
    return (torch.tensor([torch.finfo(torch.float32).tiny]) / 2).double().item()


def test_half_of_the_smallest_number_is_zero_within_and_only_there() -> None:
    assert _halved() == 2**-127
    with subnormals_as_zero():
        assert _halved() == 0
        with subnormals_as_zero():
            assert _halved() == 0
        assert _halved() == 0  # the inner one leaves what it found
    assert _halved() == 2**-127


def test_an_error_ends_it_too() -> None:
    with pytest.raises(KeyError), subnormals_as_zero():
        raise KeyError
    assert _halved() == 2**-127


def test_gradients_are_those_of_exact_arithmetic() -> None:
    torch.manual_seed(0)
    # the steepest of eight slopes takes a weight below 1.2e-38 at a distance of 175 tokens
    model = Transformer(
        Configuration(
            vocabulary=50, width=32, layers=2, heads=8, kv_heads=8, hidden=128, context=256,
            position="alibi",
        )
    )  # fmt: skip
    for weight in model.parameters():
        nn.init.normal_(weight, std=0.2)
    inputs, targets = torch.randint(50, (2, 2, 256))

    def gradients() -> list[torch.Tensor]:
        model.zero_grad()
        summed_loss(model, inputs, targets).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return [w.grad for w in model.parameters() if w.grad is not None]

    exact = gradients()
    with subnormals_as_zero():
        quick = gradients()
    for one, other in zip(exact, quick, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-30)
