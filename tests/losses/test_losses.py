import pytest
import torch
from torch.nn import functional as F

from symgan_core.losses import contextual_loss, depth_drift, latent_distance, load_perceptual, patch_features, total_variation
from symgan_core.losses.perceptual import gradient_ms_ssim


def picture(seed: int = 0, size: int = 64) -> torch.Tensor:
    noise = torch.rand(1, 3, 9, 9, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return F.interpolate(noise, (size, size), mode="bilinear", align_corners=True)


def test_perceptual_fallback_is_zero_for_equals_and_grows_with_blur_and_shift() -> None:
    a = picture()
    soft = F.interpolate(F.avg_pool2d(a, 2), (64, 64), mode="bilinear")
    softer = F.interpolate(F.avg_pool2d(a, 8), (64, 64), mode="bilinear")
    assert gradient_ms_ssim(a, a).item() == pytest.approx(0, abs=1e-5)
    assert 0 < gradient_ms_ssim(a, soft) < gradient_ms_ssim(a, softer) < gradient_ms_ssim(a, picture(1))


def test_the_same_structure_is_nearer_than_its_negative_on_both_sides_of_mid_grey() -> None:
    texture = 0.02 * picture()
    aim, same, inverse = 0.06 + texture, -0.06 + texture, -0.06 - texture
    assert gradient_ms_ssim(same, aim) < 0.5 * gradient_ms_ssim(inverse, aim)


def test_perceptual_has_a_name_and_a_gradient() -> None:
    loss = load_perceptual(torch.device("cpu"))
    assert loss.name == "gradient-ms-ssim" or loss.name.startswith("lpips-")
    a = picture().requires_grad_(True)
    loss(a, picture(1)).backward()
    assert torch.isfinite(a.grad).all() and a.grad.abs().sum() > 0


def test_contextual_loss_forgives_a_shift_that_a_pixel_loss_does_not() -> None:
    a = picture(2, 40)
    shifted = a.roll(2, -1)
    other = picture(3, 40)

    def context(x: torch.Tensor, y: torch.Tensor) -> float:
        return float(contextual_loss(patch_features(x), patch_features(y)))

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
