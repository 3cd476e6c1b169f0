"""The sparse coarse pass against rendering every ray in full."""

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from symgan_core.generator import CORRECTED_AXES, Sampling, TriPlaneGenerator, model
from symgan_core.generator.decoder import Decoder, _by_grid, _by_texel, axes_to_projections
from symgan_core.geometry import Camera
from tests.conftest import TINY


class Ball(TriPlaneGenerator):
    """A generator whose density and colour are known: a red ball of radius 0.2 around (0.05, 0, 0)."""

    def __init__(self, look: int | None, coarse: int = 32, fine: int = 32):
        super().__init__(replace(TINY, neural_rendering_resolution=32, depth_resolution=coarse, depth_resolution_importance=fine,
                                 density_grid=look))
        self.asked = 0

    def query(self, planes, points):
        self.asked += points.shape[1]
        inside = 0.2 - (points - points.new_tensor([0.05, 0, 0])).norm(dim=-1)
        colour = torch.zeros(*points.shape[:2], self.config.plane_channels) + torch.eye(self.config.plane_channels)[0]
        return planes.mean() + 4000 * inside, colour.transpose(1, 2)


CAMERA = Camera.orbit(25.0, 10.0).vector()


def test_the_sparse_pass_gives_the_same_picture() -> None:
    planes = torch.zeros(1, 3, 8, 16, 16)
    full, sparse = (Ball(look).render(planes, CAMERA) for look in (None, 16))
    assert [x.shape for x in full] == [x.shape for x in sparse]
    assert (full.opacity - sparse.opacity).abs().mean() < 0.01
    both = (full.opacity > 0.9) & (sparse.opacity > 0.9)
    assert both.sum() > 150 and (full.depth - sparse.depth)[both].abs().max() < 0.02
    assert (full.features - sparse.features).abs().mean() < 0.02
    outside = full.opacity < 1e-4
    assert torch.allclose(sparse.features[:, :1][outside], torch.ones(())) and (sparse.opacity[outside] < 1e-3).all()


class Slope(Ball):
    """A wall that runs away from the camera so steeply that neighbouring pixels see it more than an interval apart."""

    def query(self, planes, points):
        _, colour = super().query(planes, points)
        distance = points[..., 2] + 2 * points[..., 0]
        return 9000 * (0.02 - distance.abs()), colour


def test_the_sparse_pass_finds_steep_surfaces() -> None:
    camera, planes = Camera.orbit(0.0, 0.0).vector(), torch.zeros(1, 3, 8, 16, 16)
    full, sparse = (Slope(look, 48, 12).render(planes, camera) for look in (None, 64))
    solid = full.opacity > 0.9
    assert solid.sum() > 100
    assert sparse.opacity[solid].mean() > 0.85


def test_the_sparse_pass_asks_less() -> None:
    full, sparse = Ball(None), Ball(16)
    for ball in (full, sparse):
        ball.render(torch.zeros(1, 3, 8, 16, 16), CAMERA)
    assert sparse.asked < 0.6 * full.asked


def test_smooth_edges_come_nearer_to_what_a_pixel_shows() -> None:
    """Against a render of eight times the resolution, averaged; what is not at the ball's edge stays as it was."""
    planes, ball = torch.zeros(1, 3, 8, 16, 16), Ball(32, 64, 24)
    fine = torch.nn.functional.avg_pool2d(ball.render(planes, CAMERA, 256).opacity, 8)
    plain, smooth = (ball.render(planes, CAMERA, sampling=Sampling(smooth_edges=s)) for s in (False, True))
    assert (smooth.opacity - fine).square().mean() < 0.4 * (plain.opacity - fine).square().mean()
    assert torch.equal(plain.depth, smooth.depth)
    away = (plain.features != smooth.features).any(1, keepdim=True)
    assert 0.01 < away.float().mean() < 0.2 and ((fine > 0) & (fine < 1))[away].float().mean() > 0.5
    assert torch.allclose(smooth.features[:, :1], torch.ones(()), atol=1e-3)  # a red ball on white: red is everywhere the same
    assert torch.allclose(smooth.features[:, 1:2], 1 - 2 * smooth.opacity, atol=1e-3)


def test_views_are_smooth_unless_they_are_learned_from() -> None:
    planes, ball = torch.zeros(1, 3, 8, 16, 16), Ball(32)
    learned = ball.view(planes, torch.zeros(1, 1, TINY.w_dim), CAMERA)
    with torch.no_grad():
        shown = ball.view(planes, torch.zeros(1, 1, TINY.w_dim), CAMERA)
    plain, smooth = (ball.render(planes, CAMERA, sampling=Sampling(smooth_edges=s)).opacity for s in (False, True))
    assert torch.equal(learned.image_opacity, plain) and torch.equal(shown.image_opacity, smooth) and not torch.equal(plain, smooth)


@pytest.mark.parametrize("smooth_edges", [False, True])
def test_an_empty_scene_is_background_at_the_far_end(smooth_edges: bool) -> None:
    out = Ball(16).render(torch.full((1, 3, 8, 16, 16), -5000.0), CAMERA, sampling=Sampling(smooth_edges=smooth_edges))
    assert (out.features == 1).all() and (out.opacity == 0).all() and out.depth.min() > 3.1


@pytest.mark.parametrize("look", [None, 8])
def test_gradients_reach_the_planes_and_chunks_do_not_matter(look: int | None) -> None:
    torch.manual_seed(0)
    generator = TriPlaneGenerator(replace(TINY, density_grid=look))
    planes = torch.randn(2, 3, 8, 16, 16, requires_grad=True)
    cameras = torch.cat([CAMERA, Camera.orbit(-40.0).vector()])
    whole = generator.render(planes, cameras)
    generator.chunk_rays = 50
    parts = generator.render(planes, cameras)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(whole, parts, strict=True))
    gradient, = torch.autograd.grad(whole.features.square().mean() + whole.depth.mean(), planes)
    assert gradient.abs().sum((1, 2, 3, 4)).min() > 0


def test_both_ways_to_sample_planes_agree() -> None:
    """Values and gradients, to the planes and to the points; some points lie outside."""
    torch.manual_seed(0)
    planes, points = torch.randn(2, 3, 5, 9, 7, requires_grad=True), ((torch.rand(2, 400, 3) - 0.5) * 1.3).requires_grad_(True)
    grid = torch.einsum("bpi,kij->jbkp", points * 2, axes_to_projections(CORRECTED_AXES))
    results = [way(planes, grid) for way in (_by_grid, _by_texel)]
    assert torch.allclose(*results, atol=1e-5)
    for a, b in zip(*(torch.autograd.grad(r.square().sum(), (planes, points), retain_graph=True) for r in results), strict=True):
        assert (a - b).norm() < 1e-4 * a.norm()


def test_the_density_grid_is_the_density_x_fastest() -> None:
    ball = Ball(9)
    grid = ball.density_grid(torch.zeros(1, 3, 8, 16, 16))
    assert grid.shape == (1, 1, 9, 9, 9) and Ball(None).density_grid(torch.zeros(1, 3, 8, 16, 16)) is None
    line = torch.linspace(-0.5, 0.5, 9) * ball.config.box_warp
    z, y, x = 4, 6, 5
    point = torch.stack([line[x], line[y], line[z]]).reshape(1, 1, 3)
    assert torch.allclose(grid[0, 0, z, y, x], ball.query(torch.zeros(1, 3, 8, 16, 16), point)[0][0, 0], rtol=1e-3)


def test_a_grid_of_planes_a_step_ago_gives_the_new_planes_picture() -> None:
    ball, before, now = Ball(16), torch.zeros(1, 3, 8, 16, 16), torch.full((1, 3, 8, 16, 16), 20.0)
    own, aged = (ball.render(now, CAMERA, grid=grid) for grid in (None, ball.density_grid(before)))
    assert (own.features - aged.features).abs().mean() < 0.01 and (own.opacity - aged.opacity).abs().mean() < 0.01
    assert not torch.equal(own.opacity, aged.opacity)


def test_the_decoder_in_blocks_is_the_plain_one_in_values_and_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("symgan_core.generator.decoder.BLOCK", 7)
    decoder = Decoder(replace(TINY, plane_channels=4, decoder_hidden=5))
    with torch.no_grad():  # softplus at both its ends, and far beyond what exp can hold
        decoder.net[0].bias.copy_(torch.tensor([-200.0, -3, 0, 19, 500]))
    features = torch.randn(2, 4, 30).transpose(1, 2).requires_grad_(True)
    wanted = (features, *decoder.parameters())

    def plain() -> tuple[torch.Tensor, torch.Tensor]:
        hidden = torch.nn.functional.softplus(torch.nn.functional.linear(features, *decoder.net[0].scaled()))
        out = torch.nn.functional.linear(hidden, *decoder.net[2].scaled())
        return out[..., 0], (torch.sigmoid(out[..., 1:]) * 1.002 - 0.001).transpose(1, 2)

    results = []
    for function in (lambda: decoder(features), plain):
        sigma, colours = function()
        loss = sigma.square().sum() / 1e4 + (colours * torch.arange(colours.shape[2])).sum()
        results.append((sigma, colours, *torch.autograd.grad(loss, wanted)))
    for found, truth in zip(*results, strict=True):
        assert torch.allclose(found, truth, rtol=1e-4, atol=1e-4)


def test_a_copy_with_its_own_parts_shares_the_others(tiny: TriPlaneGenerator) -> None:
    twin = tiny.copy_with_trainable(["decoder"])
    before = {k: v.clone() for k, v in tiny.state_dict().items()}
    for value in twin.decoder.state_dict().values():
        value += 1
    assert all(torch.equal(v, before[k]) for k, v in tiny.state_dict().items())
    assert all((before[k] + 1 == v).all() == k.startswith("decoder.") for k, v in twin.state_dict().items())
    places = {k: v.data_ptr() for k, v in tiny.state_dict().items()}
    assert all((places[k] == v.data_ptr()) != k.startswith("decoder.") for k, v in twin.state_dict().items())


@pytest.mark.skipif(torch.version.cuda is None, reason="this PyTorch knows no CUDA")
def test_nothing_is_left_on_the_cpu_while_the_rest_is_on_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """On tensors that have a device and no contents, so that it needs no GPU: a CPU tensor among them raises."""
    monkeypatch.setattr(model, "_whole_float32", lambda device: nullcontext())  # its switch asks the driver
    with FakeTensorMode(), torch.device("cuda"), torch.no_grad():
        generator = TriPlaneGenerator(replace(TINY, white_back=False)).eval()
        for module in generator.modules():
            for kind in (module._parameters, module._buffers):
                for name, value in kind.items():
                    if value is not None and not value.is_cuda:
                        kind[name] = type(value)(torch.empty(value.shape)) if kind is module._parameters else torch.empty(value.shape)
        camera = torch.empty(1, 25)
        ws = generator.mapping(torch.empty(1, TINY.z_dim), camera, 0.7)
        planes = generator.planes(ws)
        out = generator.view(planes, ws, camera)
        assert all(x.is_cuda for x in (planes, *out)) and generator.density_volume(planes, 8, 1.0).is_cuda
        with pytest.raises(RuntimeError, match="device"):
            generator.view(planes, ws, torch.empty(1, 25, device="cpu"))
