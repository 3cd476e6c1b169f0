"""Stage 1: the code (and, if asked, the camera) whose face is the photo's."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..generator import Synthesized, TriPlaneGenerator
from ..generator.traits import traits_of
from ..losses import PerceptualLoss, latent_distance
from .config import InversionConfig, PivotConfig
from .events import Event
from .guess import bare_necked
from .light import Lamp, fit_lamp
from .look import AgingGrid, look
from .offset import PlanesOffset
from .parts import parts_shown
from .placing import FacePoints, place_face
from .pose import adjusted_camera
from .symmetry import compare_with_mirror
from .target import Target, completed, opacity_difference, to_preview
from .void import Void

POINTS_EVERY = 6
"""The points of the face are read anew in the render after so many steps."""
VOID_EVERY = 3
"""What is behind the head is looked at in every so many steps, times so much."""
LIGHT_EVERY = 12
"""The light of one side is fitted anew after so many steps."""


@dataclass
class State:
    """What an inversion has so far; it can be stopped and used at any step."""

    generator: TriPlaneGenerator
    ws: Tensor
    camera: Tensor
    offset: PlanesOffset | None = None
    move: Tensor | None = None
    """``[6]``: of the camera, away from the photo's as it was read (``pose.py``); None before the head has been placed."""


@torch.no_grad()
def latent_statistics(generator: TriPlaneGenerator, camera: Tensor, count: int = 600) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation ``[w_dim]`` of w under the photo's camera (SPI: 600 latents); always the same ones."""
    rng = torch.Generator().manual_seed(0)
    z = torch.randn(count, generator.config.z_dim, generator=rng).to(generator.device)
    w = generator.mapping(z, camera.expand(count, -1))[:, 0]
    return w.mean(0), w.std(0).clamp(min=1e-3)


def place_head(state: State, target: Target, pivot: PivotConfig) -> FacePoints | None:
    """Before the first step: let ``state`` have camera, shape and expression with which the points of the face lie as in the photo.

    Returns:
        those points, or None where nobody asks for them.
    """
    generator, state.move = state.generator, torch.zeros(6, device=state.ws.device)
    if not target.matte or not (pivot.points_first or pivot.points_weight > 0):  # matte: framed as the second look expects heads
        return None
    points = FacePoints(generator, target.image, target.outside)
    if pivot.points_first:
        state.move, state.ws = place_face(generator, state.ws, target.camera, points, pivot.optimize_camera)
        if pivot.optimize_camera:
            state.camera = adjusted_camera(target.camera, state.move)
    return points


def find_pivot(state: State, target: Target, config: InversionConfig, perceptual: PerceptualLoss, rng: torch.Generator,
               points: FacePoints | None) -> Iterator[Event]:
    """Optimise ``state.ws`` (and ``state.camera``) step by step; an event a step.

    Args:
        state: of a head that has been placed (``place_head``), and whose ``points`` are these.
        rng: noise on w comes from here, so the same seed gives the same latent.
    """
    generator, pivot = state.generator, config.pivot
    mean, std = latent_statistics(generator, target.camera)
    rows = 1 if pivot.space == "w" else generator.config.num_ws
    move, traits = state.move, traits_of(generator.config)
    void, start = None, adjusted_camera(target.camera, move)
    if pivot.keep_haircut and traits is not None:  # the haircut that is seen now is there to stay
        if target.loose is not None:
            target = target.without_strays(parts_shown(generator, state.ws, start))
        if pivot.void_weight:
            void = Void(generator, bare_necked(state.ws, traits), start)
    offset = ((state.ws - mean) / std)[:, :rows].clone().requires_grad_(True)
    move.requires_grad_(pivot.optimize_camera)
    free = torch.ones_like(mean, dtype=torch.bool)
    if pivot.keep_haircut and traits is not None:
        free[traits.haircut] = False
    groups = [{"params": [offset], "rate": pivot.learning_rate}]
    if pivot.optimize_camera:
        groups.append({"params": [move], "rate": pivot.camera_rate})
    optimizer = torch.optim.Adam(groups, lr=pivot.learning_rate, betas=(0.9, 0.99))
    light: Lamp | None = None
    out: Synthesized | None = None
    grid = AgingGrid(generator)

    for step in range(pivot.steps):
        share = step / pivot.steps
        for group in optimizer.param_groups:
            group["lr"] = group["rate"] * _schedule(share)
        strength = pivot.noise * max(0.0, 1 - share / 0.75) ** 2
        noise = torch.randn(offset.shape, generator=rng).to(offset) * strength
        ws = (mean + std * torch.where(free, offset + noise, offset.detach())).expand(-1, generator.config.num_ws, -1)
        camera = adjusted_camera(target.camera, move) if pivot.optimize_camera else target.camera
        part = 2 if share < pivot.coarse_share else 1
        photo, mirror = target.with_camera(camera), None
        if pivot.mirror and target.mirror_weight > 0 and step % pivot.mirror_every == 0:
            if pivot.match_light and traits is not None:  # the mirrored photo is the same face under the mirrored lamps
                mirror = photo.mirrored(), traits.light_mirrored(ws)
            elif pivot.match_light and out is not None and share >= pivot.coarse_share:  # before, the geometry says little
                depth, seen = out.image_depth.detach(), target.with_camera(camera.detach())
                if light is None or step % LIGHT_EVERY == 0:
                    light = fit_lamp(seen, depth, compare_with_mirror(seen, depth, config.tuning.visibility_tolerance))
                mirror = light.mirrored_photo(seen, depth).with_camera(photo.mirrored().camera), ws
            else:
                mirror = photo.mirrored(), ws
        losses, out = _losses(generator, ws, photo, mirror, part, void if step % VOID_EVERY == 0 else None, config, perceptual, rng, grid)
        if points is not None and pivot.points_weight > 0:
            if step % POINTS_EVERY == 0:
                points.find(ws.detach(), camera.detach())
            losses["points"] = pivot.points_weight * points.difference(ws, camera)
        losses["prior"] = pivot.prior_weight * latent_distance(ws, mean, std)
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
        with torch.no_grad():
            state.ws = (mean + std * offset).expand(-1, generator.config.num_ws, -1).clone()
            state.camera = (adjusted_camera(target.camera, move) if pivot.optimize_camera else target.camera).detach()
        preview = to_preview(out, generator) if step % config.preview_every == 0 or step + 1 == pivot.steps else None
        yield Event("pivot", step + 1, pivot.steps, {k: float(v.detach()) for k, v in losses.items()}, preview)


def _losses(generator: TriPlaneGenerator, ws: Tensor, target: Target, mirror: tuple[Target, Tensor] | None, part: int, void: Void | None,
            config: InversionConfig, perceptual: PerceptualLoss, rng: torch.Generator,
            grid: AgingGrid) -> tuple[dict[str, Tensor], Synthesized]:
    """Losses of the photo's view and, if there is a ``mirror`` (a view and the code that it shows), of that; and the photo's view as it is.

    ``part``: planes and the draft rendering have this part of their full resolution.
    """
    pivot, resolution = config.pivot, generator.config.plane_resolution // part
    stride, samples = part * config.stride(generator), config.samples(generator)
    planes = generator.planes(ws, resolution=resolution)
    density = grid.of(planes)
    pictures = target.image, target.mask, target.beyond
    out, (image, mask, beyond) = look(generator, planes, ws, target.camera, pictures, stride, rng, samples=samples, grid=density)
    image, mask = completed(image, mask, out.image, out.image_opacity, beyond)
    losses = {"perceptual": perceptual(out.image, image), "pixel": (out.image - image).abs().mean(),
              "opacity": opacity_difference(out, replace(target, mask=mask))}
    if void is not None:
        losses["void"] = VOID_EVERY * pivot.void_weight * void.matter(planes)
    if mirror is not None:
        other, code = mirror
        shown = planes if code is ws else generator.planes(code, resolution=resolution)
        pictures = other.image, other.beyond
        seen, (aim, beyond) = look(generator, shown, code, other.camera, pictures, stride, rng, samples=samples, grid=density)
        aim, _ = completed(aim, None, seen.image, None, beyond)
        losses["mirror"] = pivot.mirror_every * target.mirror_weight * perceptual(seen.image, aim)
    return losses, out


def _schedule(share: float) -> float:
    """SPI's (StyleGAN2's) learning-rate schedule, as a factor."""
    down = min(1.0, (1 - share) / 0.25)
    return (0.5 - 0.5 * math.cos(down * math.pi)) * min(1.0, (share + 0.01) / 0.05)
