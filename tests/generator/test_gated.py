"""An offset that counts where its gate is open."""

from dataclasses import replace

import pytest
import torch

from symgan_core.generator import TriPlaneGenerator
from symgan_core.generator.gated import GatedPlanes, gate_at
from symgan_core.geometry import Camera
from tests.conftest import TINY


def generator(look: int | None) -> TriPlaneGenerator:
    torch.manual_seed(0)
    return TriPlaneGenerator(replace(TINY, density_grid=look)).eval().requires_grad_(False)


@pytest.mark.parametrize("look", [None, 9])
def test_open_and_shut_gates_give_the_sum_and_the_base(look: int | None) -> None:
    net, cameras = generator(look), torch.cat([Camera.orbit(yaw, 0).vector() for yaw in (0, 50)])
    base, offset = torch.randn(2, 1, 3, 8, 16, 16, generator=torch.Generator().manual_seed(1))
    for share, plain in ((1.0, base + offset), (0.0, base)):
        gated = net.render(GatedPlanes(base, offset, torch.full((1, 1, 4, 4, 4), share)), cameras)
        for a, b in zip(gated, net.render(plain, cameras), strict=True):
            assert torch.allclose(a, b, atol=1e-4)


def test_the_gate_is_read_at_the_point_and_passes_gradients() -> None:
    net, half = generator(None), TINY.box_warp / 2
    gate = torch.linspace(0, 1, 5)[:, None, None].expand(1, 1, 5, 5, 5).contiguous()  # along z
    points = torch.tensor([[[0.1, 0.0, half], [0.0, -0.2, -half], [0.0, 0.0, 0.0], [0.0, 0.0, 2 * half]]])
    assert gate_at(gate, points, TINY.box_warp)[0, :, 0].tolist() == pytest.approx([1, 0, 0.5, 1], abs=1e-5)
    base, offset = torch.zeros(1, 3, 8, 16, 16), torch.zeros(1, 3, 8, 16, 16, requires_grad=True)
    front, back = (torch.tensor([[[0.0, 0.0, z]]]) for z in (0.4 * half, -half))
    slopes = []
    for point in (front, back):
        sigma, _ = net.query(GatedPlanes(base, offset, gate), point)
        slopes.append(float(torch.autograd.grad(sigma.sum(), offset)[0].abs().sum()))
    assert slopes[0] > 0 and slopes[1] == 0
