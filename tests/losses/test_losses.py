import pytest
import torch
from torch.nn import functional as F

from symgan_core.errors import CheckpointError, RequestError
from symgan_core.losses import PERCEPTUAL, contextual_loss, depth_drift, latent_distance, load_perceptual, total_variation, vgg_features
from symgan_core.losses import perceptual as perceptual_module
from symgan_core.losses.perceptual import gradient_structure_loss


def picture(seed: int = 0, size: int = 64) -> torch.Tensor:
    noise = torch.rand(1, 3, 9, 9, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return F.interpolate(noise, (size, size), mode="bilinear", align_corners=True)


CPU = torch.device("cpu")


def drawn(size: int = 96) -> torch.Tensor:
    """Edges, ramps and fine stripes from closed formulas."""
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, size)] * 2, indexing="ij")
    disc = ((x - 0.2).square() + (y + 0.1).square() < 0.3).float() * 2 - 1
    return torch.stack([disc, (9 * x).sin() * (7 * y).cos(), 0.5 * (x + y * (40 * x).sin())]).clamp(-1, 1)[None]


@pytest.mark.parametrize("name", PERCEPTUAL)
def test_a_perceptual_loss_is_zero_for_equals_and_grows_with_blur(name: str) -> None:
    loss, a = load_perceptual(name, CPU), picture()
    soft = F.interpolate(F.avg_pool2d(a, 2), (64, 64), mode="bilinear")
    softer = F.interpolate(F.avg_pool2d(a, 8), (64, 64), mode="bilinear")
    assert loss.name == name and loss(a, a).item() == pytest.approx(0, abs=1e-5)
    assert 0 < loss(a, soft) < loss(a, softer) < loss(a, picture(1))
    assert 0 < loss(a, a.roll(2, -1)) < loss(a, a.roll(8, -1))


@pytest.mark.parametrize(("name", "figures"), [("lpips-alex", (0.3608, 0.0325, 0.0921)), ("lpips-vgg", (0.7111, 0.1299, 0.1443))])
def test_lpips_stays_what_it_was_when_it_gave_the_published_figures(name: str, figures: tuple[float, ...]) -> None:
    """On the day of these figures, the pictures of richzhang/PerceptualSimilarity gave 0.722, 0.138 (AlexNet), 0.569, 0.422 (VGG16)."""
    loss, a = load_perceptual(name, CPU), drawn()
    others = a.flip(3), a.roll(2, -1), F.avg_pool2d(F.pad(a, (2,) * 4, mode="replicate"), 5, 1)
    assert [loss(a, b).item() for b in others] == pytest.approx(figures, abs=2e-4)


def test_lpips_takes_pictures_below_its_least_size() -> None:
    loss, small = load_perceptual("lpips-alex", CPU), picture(size=16)  # a draft of a draft
    assert loss(small, small).item() == pytest.approx(0, abs=1e-5) and loss(small, small.flip(3)) > 0.01


def test_unknown_names_and_damaged_weights_are_refused(tmp_path, monkeypatch) -> None:
    with pytest.raises(RequestError, match="no perceptual loss 'ssim'"):
        load_perceptual("ssim", CPU)
    for suffix in ("safetensors", "sha256"):
        (tmp_path / f"lpips_alex.{suffix}").write_bytes((perceptual_module.WEIGHTS / f"lpips_alex.{suffix}").read_bytes())
    with (tmp_path / "lpips_alex.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"x")
    monkeypatch.setattr(perceptual_module, "WEIGHTS", tmp_path)
    with pytest.raises(CheckpointError, match="damaged"):
        perceptual_module.load_lpips.__wrapped__("alex", CPU)


def test_loading_lpips_leaves_the_callers_random_numbers_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    perceptual_module.load_lpips.__wrapped__("alex", CPU)
    assert torch.equal(torch.rand(3), expected)


def test_the_same_structure_is_nearer_than_its_negative_on_both_sides_of_mid_grey() -> None:
    texture = 0.02 * picture()
    aim, same, inverse = 0.06 + texture, -0.06 + texture, -0.06 - texture
    assert gradient_structure_loss(same, aim) < 0.5 * gradient_structure_loss(inverse, aim)


@pytest.mark.parametrize("name", PERCEPTUAL)
def test_perceptual_has_a_gradient(name: str) -> None:
    a = picture().requires_grad_(True)
    load_perceptual(name, CPU)(a, picture(1)).backward()
    assert torch.isfinite(a.grad).all() and a.grad.abs().sum() > 0


def test_contextual_loss_forgives_a_shift_that_a_pixel_loss_does_not() -> None:
    a = picture(2, 40)
    shifted = a.roll(2, -1)
    other = picture(3, 40)

    def context(x: torch.Tensor, y: torch.Tensor) -> float:
        return float(contextual_loss(vgg_features(x), vgg_features(y)))

    assert vgg_features(a).shape == (1, 400, 128)
    assert context(a, a) == pytest.approx(0, abs=0.05)
    assert (a - shifted).abs().mean() > 0.25 * (a - other).abs().mean()  # the pixel loss minds
    assert context(a, shifted) < 0.25 * context(a, other)  # the contextual loss hardly does


def test_regularisers_by_hand() -> None:
    ws, mean, std = torch.tensor([[[3.0, 1.0], [1.0, 1.0]]]), torch.tensor([1.0, 1.0]), torch.tensor([2.0, 1.0])
    # offsets (1, 0), (0, 0): mean square 1/4; around their mean (.5, 0): mean square 1/8
    assert latent_distance(ws, mean, std).item() == pytest.approx(0.375)
    assert depth_drift(torch.tensor([2.0, 2.5]), torch.tensor([2.0, 2.3])).item() == pytest.approx(0.02)


def test_total_variation_and_its_gradient() -> None:
    x = torch.randn(2, 3, 5, 7, generator=torch.Generator().manual_seed(0), requires_grad=True)
    plain = sum(x.diff(dim=d).abs().mean() for d in (-1, -2))
    (expected,) = torch.autograd.grad(3 * plain, x)
    (found,) = torch.autograd.grad(3 * total_variation(x), x)
    assert torch.allclose(total_variation(x), plain) and torch.allclose(found, expected, atol=1e-7)
