"""Heads of a generator's own as photos, and methods of a few steps."""

from dataclasses import replace

import numpy as np
import torch

from symgan_core.generator import TriPlaneGenerator
from symgan_core.geometry import Camera
from symgan_core.inversion import Inversion, Method, make_target, settings, to_uint8
from symgan_core.inversion.terms.pseudo_views import PseudoViews


def short(method: str = "spi", first: int = 4, second: int = 4, **options: bool) -> Method:
    config = settings(method, "fast", **options)
    tuning = config.tuning
    if tuning is not None:
        terms = [replace(term, refresh_every=2) if isinstance(term, PseudoViews) else term for term in tuning.terms]
        tuning = replace(tuning, steps=second, learning_rate=5e-3, terms=tuple(terms))
    return replace(config, pivot=replace(config.pivot, steps=first), tuning=tuning, draft=False)


def photo_of(generator: TriPlaneGenerator, yaw: float, seed: int = 5) -> tuple[np.ndarray, np.ndarray, torch.Tensor]:
    camera = Camera.orbit(yaw, 0).vector()
    z = torch.randn(1, generator.config.z_dim, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        out = generator.synthesis(generator.mapping(z, camera), camera)
    mask = torch.nn.functional.interpolate(out.image_opacity, out.image.shape[2:])[0, 0].clamp(0, 1)
    return to_uint8(out.image), (mask * 255).byte().numpy(), camera[0]


def start(generator: TriPlaneGenerator, config, yaw: float = 30, seed: int = 0) -> Inversion:
    image, mask, camera = photo_of(generator, yaw)
    return Inversion(make_target(image, camera, mask, generator, detailed=config.detail), generator, config, seed)


def plain_psnr(inversion: Inversion) -> float:
    """At the photo's view, of the head without the photo's detail."""
    metrics = inversion.portrait().report["metrics"]
    return metrics.get("psnr_without_detail", metrics["psnr"])
