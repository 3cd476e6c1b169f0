"""What the prior can do, in numbers: how well it holds known heads, how well depth and colour agree."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor
from torch.nn import functional as F

from symgan_core.evaluation import depth_along_rays, picture_metrics, read_multiview
from symgan_core.generator import Head, Sampling, Synthesized, TriPlaneGenerator
from symgan_core.geometry import Camera, DepthView, warp_to_view
from symgan_core.inversion import Target
from symgan_core.inversion.rendering import CachedDensityGrid, draft_stride, render_strided
from symgan_core.inversion.start.encoder import guess_code
from symgan_core.inversion.start.latent import latent_statistics


@dataclass(frozen=True)
class FitConfig:
    """How a code is fitted to given views."""

    steps: int = 500
    views: int = 2
    """So many are compared in each step, all in turn."""
    rate: float = 0.06
    """Adam, in standard deviations of w; falls to nothing."""
    prior: float = 5e-4
    """Weight of the mean squared distance from the mean w, in standard deviations."""


ONE_VIEW = FitConfig(steps=200, views=1, prior=5e-3)
"""One view says little of the rest of a head: there the prior speaks."""


class Views(NamedTuple):
    """Views of one head on white: ``images [V, 3, H, W]``, ``masks [V, 1, H, W]``, ``depths [V, 1, h, w]`` along rays, and
    ``cameras [V, 25]``."""

    images: Tensor
    masks: Tensor
    depths: Tensor
    cameras: Tensor


def read_views(arrays: dict[str, np.ndarray], index: int, generator: TriPlaneGenerator) -> Views:
    """All views of a person of a multi-view file."""
    masks, size = arrays["masks"][index], (generator.config.image_resolution,) * 2
    whites = [on_white(image, mask) for image, mask in zip(arrays["images"][index], masks, strict=True)]
    images = torch.from_numpy(np.stack(whites)).permute(0, 3, 1, 2) / 127.5 - 1
    scaled = (F.interpolate(x, size, mode="bilinear", antialias=True) for x in (images, torch.from_numpy(masks)[:, None] / 255))
    depths = torch.cat([depth_along_rays(arrays, index, v) for v in range(len(masks))])
    return Views(*scaled, depths, torch.from_numpy(arrays["cameras"][index]))


def on_white(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A head before white, where ``image`` uint8 ``[H, W, 3]`` shows it before something else: float32 in [0, 255].

    ``mask`` uint8 ``[H, W]``: the exact share of the head in each pixel, of 255. What is behind a pixel of the outline is what the nearest
    pixel without head shows. Laying the picture over white by its mask, as is done with photos, would count the outline's share twice.
    """
    if (mask > 0).all():
        return image.astype(np.float32)
    row, column = distance_transform_edt(mask > 0, return_distances=False, return_indices=True)
    behind = image[row, column].astype(np.float32)
    return (image + (1 - mask[..., None].astype(np.float32) / 255) * (255 - behind)).clip(0, 255)


def fit(generator: TriPlaneGenerator, views: Views, config: FitConfig = FitConfig(), seed: int = 0) -> Tensor:
    """``ws [1, num_ws, w_dim]`` (W+) whose head is that of the views; colour and mask alone are looked at.

    Begins where the second look reads the view that is most from in front, or from the mean person where it does not know the generator.
    """
    rng = torch.Generator().manual_seed(seed)
    mean, std = latent_statistics(generator, views.cameras[:1])
    start = guess_code(_frontal(views), generator)
    common = torch.zeros(1, 1, generator.config.w_dim) if start is None else ((start - mean) / std)[None, None]
    rows = torch.zeros(1, generator.config.num_ws, generator.config.w_dim)
    # What all rows have in common moves on its own as well: faster where they agree.
    parts = [common.requires_grad_(), rows.requires_grad_()]
    optimizer = torch.optim.Adam(parts, config.rate, betas=(0.9, 0.99))
    sampling = Sampling(rng, generator.config.draft_samples)
    grid, stride, left = CachedDensityGrid(generator), draft_stride(generator), []
    for step in range(config.steps):
        for group in optimizer.param_groups:
            group["lr"] = config.rate * min(1.0, (step + 1) / 10) * (1 - step / config.steps)
        offset = common + rows
        ws = mean + std * offset
        planes = generator.planes(ws)
        head, loss = Head(generator, ws, planes, grid.of(planes)), config.prior * offset.square().mean()
        for _ in range(config.views):
            left = left or torch.randperm(len(views.images), generator=rng).tolist()
            one = slice(left[-1], left.pop() + 1)
            out, (image, mask) = render_strided(head, views.cameras[one], (views.images[one], views.masks[one]), stride, rng, sampling)
            loss = loss + view_loss(out, image, mask) / config.views
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return (mean + std * (common + rows)).detach()


def _frontal(views: Views) -> Target:
    best = int(Camera.from_vector(views.cameras).angles()[0].abs().argmin())
    return Target(*(x[best: best + 1] for x in (views.images, views.masks, views.cameras)))


def view_loss(out: Synthesized, image: Tensor, mask: Tensor) -> Tensor:
    """Squares inside the head, which is what PSNR asks for, with a little of the rest: absolute differences everywhere, and opacity."""
    difference, opacity = out.image - image, F.interpolate(out.image_opacity, mask.shape[-2:], mode="bilinear")
    inside = (difference.square() * (mask > 0.5)).mean()
    return 3 * inside + 0.15 * (difference.abs().mean() + (opacity - mask).square().mean())


@torch.no_grad()
def score(generator: TriPlaneGenerator, ws: Tensor, views: Views) -> dict[str, np.ndarray]:
    """``psnr`` inside the head (dB) and ``depth`` error (scene units), one of each a view."""
    head, out = Head.of(generator, ws), {"psnr": [], "depth": []}
    for v in range(len(views.images)):
        one = slice(v, v + 1)
        shown = head.view(views.cameras[one])
        out["psnr"].append(picture_metrics(shown.image, views.images[one], (views.masks[one] > 0.5).float())["psnr"])
        size = views.depths.shape[-2:]
        depth, opacity = (F.interpolate(x, size, mode="bilinear") for x in (shown.image_depth, shown.image_opacity))
        both = torch.isfinite(views.depths[one]) & (opacity > 0.5)
        out["depth"].append(float((depth - views.depths[one])[both].abs().mean()))
    return {k: np.array(v) for k, v in out.items()}


def held_heads(data: Path, generator: TriPlaneGenerator, limit: int | None = None, config: FitConfig = FitConfig(),
               alone: FitConfig = ONE_VIEW, out: Path | None = None) -> dict[str, object]:
    """Fit all views, and the given view alone, of each person of a multi-view file."""
    arrays = read_multiview(data)
    each: dict[str, dict[str, float]] = {}
    for index in range(min(limit or len(arrays["names"]), len(arrays["names"]))):
        begin, views = time.monotonic(), read_views(arrays, index, generator)
        given = int(arrays["input_view"][index])
        whole = score(generator, fit(generator, views, config), views)
        one = slice(given, given + 1)
        single = score(generator, fit(generator, Views(*(x[one] for x in views)), alone), views)
        others = np.arange(len(views.images)) != given
        row = {"all_psnr": whole["psnr"].mean(), "all_depth": whole["depth"].mean(), "one_psnr_given": single["psnr"][given],
               "one_psnr_others": single["psnr"][others].mean(), "one_depth_others": single["depth"][others].mean()}
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
        head = Head.of(generator, ws)
        cameras = [head.orbit(yaw) for yaw in (0.0, turn)]
        a, b = (head.view(c) for c in cameras)
        solid = F.interpolate((a.image_opacity > 0.95).float(), a.image.shape[-2:])
        warp = warp_to_view(a.image, *(DepthView(c, x.image_depth) for c, x in zip(cameras, (a, b), strict=True)), solid, 0.01)
        seen = (warp.visible > 0.5) & (F.interpolate(b.image_opacity, a.image.shape[-2:]) > 0.95)
        errors.append((warp.image - b.image).abs().mean(1, keepdim=True)[seen] * 127.5)
    return float(torch.cat(errors).median())
