"""The two ways of a modulated convolution: styles on the weights, or on the activations."""

import pytest
import torch

from symgan_core.generator.layers import modulated_conv


@pytest.mark.parametrize("up", [False, True])
def test_styles_get_the_same_gradient_whether_weights_learn_or_not(up: bool) -> None:
    torch.manual_seed(0)
    x, bias = torch.randn(1, 6, 9, 9), None if up else torch.randn(5)
    weight, style, scale = torch.randn(5, 6, 3, 3), torch.randn(1, 6), torch.rand(1, 5) + 0.5
    found = []
    for learned in (True, False):
        code, own = style.clone().requires_grad_(True), weight.clone().requires_grad_(learned)
        out = modulated_conv(x, own, code, up, scale * code.square().mean(), bias)
        found.append((out, *torch.autograd.grad(out.sin().sum(), code)))
    for a, b in zip(*found, strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-4)


def test_frozen_weights_get_no_gradient_pass() -> None:
    """What makes stage 1 faster: the convolution's weight is a leaf that needs no gradient."""
    style = torch.randn(1, 6, requires_grad=True)
    out = modulated_conv(torch.randn(1, 6, 9, 9), torch.randn(5, 6, 3, 3), style)
    node = out.grad_fn
    assert "Convolution" in node.name() and node.next_functions[0][0] is not None and node.next_functions[1][0] is None
