"""What the prior can do, in numbers: how well it holds known heads, how well depth and colour agree."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from symgan_core.evaluation import depth_along_rays, picture_metrics, read_multiview
from symgan_core.generator import TriPlaneGenerator
from symgan_core.geometry import Camera, pixel_rays, warp_to_view
from symgan_core.geometry.rays import pixel_centres
from symgan_core.geometry.volume import coarse_depths, importance_depths, interval_weights
from symgan_core.inversion import make_target
from symgan_core.inversion.pivot import latent_statistics

from .sampling import PlaneSampler, ray_points


@dataclass(frozen=True)
class FitConfig:
    """How a code is fitted to given views."""

    steps: int = 300
    image_steps: int = 60
    """Of these, so many last ones compare whole pictures of one view, through the super-resolution if there is one."""
    rays: int = 2048
    rate: float = 0.08
    """Adam, in standard deviations of w."""
    prior: float = 0.004
    samples: tuple[int, int] = (32, 16)


class Views(NamedTuple):
    """Views of one head on white: ``images [V, 3, H, W]``, ``masks [V, 1, H, W]``, ``depths [V, 1, h, w]`` along rays, and
    ``cameras [V, 25]``."""

    images: Tensor
    masks: Tensor
    depths: Tensor
    cameras: Tensor


def read_views(arrays: dict[str, np.ndarray], index: int, generator: TriPlaneGenerator) -> Views:
    """All views of a person of a multi-view file."""
    targets = [make_target(arrays["images"][index, v], arrays["cameras"][index, v], arrays["masks"][index, v], generator)
               for v in range(arrays["images"].shape[1])]
    depths = torch.cat([depth_along_rays(arrays, index, v) for v in range(len(targets))])
    return Views(*(torch.cat([getattr(t, name) for t in targets]) for name in ("image", "mask")), depths,
                 torch.cat([t.camera for t in targets]))


def fit(generator: TriPlaneGenerator, views: Views, config: FitConfig = FitConfig(), seed: int = 0) -> Tensor:
    """``ws [1, num_ws, w_dim]`` (W+) whose head is that of the views; colour and mask alone are looked at."""
    torch.manual_seed(seed)
    g, resolution = generator.config, generator.config.neural_rendering_resolution
    mean, std = latent_statistics(generator, views.cameras[:1])
    offset = torch.zeros(1, g.num_ws, g.w_dim, requires_grad=True)
    optimizer = torch.optim.Adam([offset], config.rate, betas=(0.9, 0.99))
    colour = F.interpolate(views.images, (resolution,) * 2, mode="area").flatten(2)
    opacity = F.interpolate(views.masks, (resolution,) * 2, mode="area").flatten(2)
    centres = pixel_centres(resolution)
    for step in range(config.steps):
        for group in optimizer.param_groups:
            group["lr"] = config.rate * min(1.0, (step + 1) / 10) * min(1.0, 0.05 + (config.steps - step) / (0.4 * config.steps))
        ws = mean + std * offset
        if step < config.steps - config.image_steps:
            chosen = torch.randint(0, resolution**2, (len(colour), config.rays // len(colour)))
            origins, directions = pixel_rays(views.cameras, centres[chosen])
            features, total = _rays(generator, ws, origins.reshape(1, -1, 3), directions.reshape(1, -1, 3), config.samples)
            wanted = colour.gather(2, chosen[:, None].expand(-1, 3, -1)).transpose(0, 1).reshape(1, 3, -1)
            mask = opacity.gather(2, chosen[:, None]).reshape(1, -1)
            loss = (features[:, :3] - wanted).abs().mean() + (total - mask).square().mean()
        else:
            v = int(torch.randint(0, len(colour), ()))
            out = generator.view(generator.planes(ws), ws, views.cameras[v: v + 1])
            loss = (out.image - views.images[v: v + 1]).abs().mean() + 0.5 * (out.image_raw.flatten(2) - colour[v: v + 1]).abs().mean()
        loss = loss + config.prior * offset.square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return (mean + std * offset).detach()


def _rays(generator: TriPlaneGenerator, ws: Tensor, origins: Tensor, directions: Tensor,
          samples: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Features ``[1, C, M]`` in [-1, 1] and opacity ``[1, M]`` of single rays."""
    g, sampler = generator.config, PlaneSampler(generator, ws)
    with torch.no_grad():
        coarse = coarse_depths(g.ray_start, g.ray_end, samples[0], origins.shape[:2])
        sigma = sampler.query(ray_points(origins, directions, coarse))[0].reshape(coarse.shape)
        depths = importance_depths(interval_weights(sigma, coarse), coarse, samples[1], torch.default_generator)
    marched = sampler.march(depths, *sampler.query(ray_points(origins, directions, depths)))
    return marched.features, marched.weights.sum(-1)


@torch.no_grad()
def score(generator: TriPlaneGenerator, ws: Tensor, views: Views) -> dict[str, np.ndarray]:
    """``psnr`` inside the head (dB) and ``depth`` error (scene units), one of each a view."""
    planes, out = generator.planes(ws), {"psnr": [], "depth": []}
    for v in range(len(views.images)):
        one = slice(v, v + 1)
        shown = generator.view(planes, ws, views.cameras[one])
        out["psnr"].append(picture_metrics(shown.image, views.images[one], (views.masks[one] > 0.5).float())["psnr"])
        size = views.depths.shape[-2:]
        depth, opacity = (F.interpolate(x, size, mode="bilinear") for x in (shown.image_depth, shown.image_opacity))
        both = torch.isfinite(views.depths[one]) & (opacity > 0.5)
        out["depth"].append(float((depth - views.depths[one])[both].abs().mean()))
    return {k: np.array(v) for k, v in out.items()}


def held_heads(data: Path, generator: TriPlaneGenerator, limit: int | None = None, config: FitConfig = FitConfig(),
               out: Path | None = None) -> dict[str, object]:
    """Fit all views, and the given view alone, of each person of a multi-view file."""
    arrays = read_multiview(data)
    each: dict[str, dict[str, float]] = {}
    for index in range(min(limit or len(arrays["names"]), len(arrays["names"]))):
        begin, views = time.monotonic(), read_views(arrays, index, generator)
        given = int(arrays["input_view"][index])
        whole = score(generator, fit(generator, views, config), views)
        one = slice(given, given + 1)
        alone = score(generator, fit(generator, Views(*(x[one] for x in views)), config), views)
        others = np.arange(len(views.images)) != given
        row = {"all_psnr": whole["psnr"].mean(), "all_depth": whole["depth"].mean(), "one_psnr_given": alone["psnr"][given],
               "one_psnr_others": alone["psnr"][others].mean(), "one_depth_others": alone["depth"][others].mean()}
        each[str(arrays["names"][index])] = {k: round(float(v), 4) for k, v in row.items()} | {
            "seconds": round(time.monotonic() - begin, 1)}
        print(arrays["names"][index], each[str(arrays["names"][index])], flush=True)
        mean = {k: round(float(np.mean([e[k] for e in each.values()])), 4) for k in row}
        if out:
            out.write_text(json.dumps({"mean": mean, "each": each}, indent=1) + "\n")
    print("mean", mean)
    return {"mean": mean, "each": each}


@torch.no_grad()
def colour_agreement(generator: TriPlaneGenerator, people: int = 8, turn: float = 20.0, seed: int = 0) -> float:
    """Median colour error (of 255) of visible pixels when one view of a random person is warped to another by the rendered depth."""
    z = torch.randn(people, generator.config.z_dim, generator=torch.Generator().manual_seed(seed))
    errors = []
    for ws in generator.mapping(z, generator.frontal_camera().expand(people, -1)).split(1):
        planes = generator.planes(ws)
        cameras = [Camera.orbit(yaw, 0).vector() for yaw in (0.0, turn)]
        a, b = (generator.view(planes, ws, c) for c in cameras)
        solid = F.interpolate((a.image_opacity > 0.95).float(), a.image.shape[-2:])
        warp = warp_to_view(a.image, cameras[0], a.image_depth, cameras[1], b.image_depth, solid, 0.01)
        seen = (warp.visible > 0.5) & (F.interpolate(b.image_opacity, a.image.shape[-2:]) > 0.95)
        errors.append((warp.image - b.image).abs().mean(1, keepdim=True)[seen] * 127.5)
    return float(torch.cat(errors).median())
