"""Stage 2: the generator is tuned to the photo, with pseudo labels for the views that it does not show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from ..generator import Synthesized, TriPlaneGenerator
from ..geometry import DEFAULT_FOCAL, Camera, project
from ..geometry.images import eroded, resized
from ..losses import PerceptualLoss, contextual_loss, depth_drift, total_variation, vgg_features
from ..portrait import Portrait3D
from .config import InversionConfig, TuningConfig
from .events import Event
from .gate import surface_gate
from .labels import Label, MirrorEvidence, mirror_evidence, mirror_label, neighbour_label
from .light import Light, rendered_light
from .look import AgingGrid, look
from .offset import PlanesOffset
from .painting import paint
from .palette import in_the_photos_colours, stuffs_of
from .pivot import State
from .target import Target, completed, opacity_difference, to_preview

FEATURES = ((-0.062, 0.0, 0.16), (0.062, 0.0, 0.16), (0.0, -0.06, 0.21), (0.0, -0.115, 0.18))
"""Eyes, nose and mouth of the mean head, in world units: where the contextual loss looks."""
UNTUNED = r"\.mapping\.|\.warp\.|\.canvas$"
"""Weights of the backbone that stage 2 always leaves alone: w is found already, and what the canvas could learn the offset on the planes
learns at once."""
PART = 0.085
"""Side of its boxes in world units."""
WIDTHS_PER_UNIT = DEFAULT_FOCAL / 2.7
"""Image widths a world unit at the head's distance."""


ASK_EVERY = 5
"""Where a look is near enough to stop, the whole view is asked, after so many steps again."""


@dataclass
class _Views:
    """What the extra terms compare with; the labels are renewed as the geometry moves."""

    references: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    light: Light | None = None
    """Where the generator knows it."""
    evidence: MirrorEvidence | None = None
    untouched: Tensor | None = None
    """Planes of the generator as it was, where it is to fill what the photo hides."""


def tune_generator(state: State, target: Target, config: InversionConfig, perceptual: PerceptualLoss, rng: torch.Generator,
                   report: dict[str, object]) -> Iterator[Event]:
    """Tune a copy of ``state.generator`` in place of it (where the method tunes any of its weights); an event a step.

    ``report`` receives the yaw weight and the share of mirrored pixels that were rejected as conflicts.
    """
    tuning, ws = config.tuning, state.ws
    target = target.with_camera(state.camera)
    prepared = prepare(state, target, tuning)
    base, painted, still = state.generator, prepared.planes, prepared.grid
    tuned = {name for name, _ in base.named_parameters() if name.split(".")[0] in tuning.parts and not re.search(UNTUNED, name)}
    generator = state.generator = base.with_own(tuning.parts) if tuned else base
    weights = [p for name, p in generator.named_parameters() if name in tuned]
    for weight in weights:
        weight.requires_grad_(True)
    views, grid, samples = _Views(light=prepared.light), AgingGrid(generator), config.samples(generator)
    stride = config.stride(generator)
    if tuning.fill_hidden:
        views.untouched = painted
    groups = [{"params": weights, "rate": tuning.learning_rate}] if weights else []
    if state.offset:
        spread = float(painted.std())
        # Adam moves what has a tiny gradient as far as what has a large one: without a floor, texels that no label sees fill with noise.
        groups.append({"params": state.offset.levels, "rate": tuning.offset_rate * spread, "eps": tuning.offset_floor})
    optimizer = torch.optim.Adam(groups, tuning.learning_rate, betas=(0.9, 0.99), fused=True)
    if tuning.depth:
        views.references = _reference_depths(base, painted, still, config, rng)
    asked = -ASK_EVERY
    try:
        for step in range(tuning.steps):
            rate = min(1.0, (step + 1) / 5) * min(1.0, 0.1 + 0.9 * (tuning.steps - step) / (0.3 * tuning.steps))
            for group in optimizer.param_groups:
                group["lr"] = group["rate"] * rate
            planes = generator.planes(ws) if "backbone" in tuning.parts else painted
            if state.offset:
                planes = state.offset.added_to(planes)
            density = grid.of(planes)
            if step % tuning.refresh_every == 0:
                _refresh(views, generator, planes.detach(), density, ws, target, tuning, rng)
            seen = target.image, target.mask, target.foreign, target.beyond
            # Jitter, or the weights would fit the few places that are sampled and leave floaters between them.
            out, (image, mask, foreign, beyond) = look(generator, planes, ws, target.camera, seen, stride, rng, rng, samples, density)
            image, mask = completed(image, mask, out.image, out.image_opacity, beyond)
            image = to_be_painted(out, image, mask, tuning.rim, foreign) if target.matte else image
            difference = out.image - image
            losses = {
                "perceptual": tuning.perceptual_weight * perceptual(out.image, image),
                "pixel": tuning.pixel_weight * difference.abs().mean() + 4 * difference.square().mean(),
                "opacity": tuning.opacity_weight * opacity_difference(out, replace(target, mask=mask))}
            if step % tuning.extra_every == 0:
                turn = step // tuning.extra_every
                losses |= _extra_losses(generator, planes, ws, views, turn, stride, density, config, perceptual, rng)
                if state.offset:
                    losses["smooth"] = tuning.extra_every * tuning.smooth_weight / spread * total_variation(state.offset.levels[0])
            optimizer.zero_grad()
            sum(losses.values()).backward()
            optimizer.step()
            preview = to_preview(out, generator) if step % config.preview_every == 0 or step + 1 == tuning.steps else None
            yield Event("tuning", step + 1, tuning.steps, {k: float(v.detach()) for k, v in losses.items()}, preview)
            if near_enough(tuning, perceptual, float(losses["perceptual"].detach())) and step >= asked + ASK_EVERY:
                asked = step
                if near_enough(tuning, perceptual, tuning.perceptual_weight * _whole_distance(state, target, perceptual)):
                    break
    finally:
        generator.requires_grad_(False)
        report["mirror_weight"] = round(target.mirror_weight, 4)
        rejected = views.evidence.rejected_share if views.evidence else None
        report["mirror_rejected_share"] = None if rejected is None else round(rejected, 4)


@dataclass(frozen=True, eq=False)
class Prepared:
    """The head as the stage finds it: its ``planes [1, 3, C, H, W]`` and their density ``grid``, and the ``light`` on it (None: nobody
    knows)."""

    planes: Tensor
    grid: Tensor | None
    light: Light | None


def prepare(state: State, target: Target, tuning: TuningConfig) -> Prepared:
    """All that needs no steps: ``state`` gets a generator in the photo's palette, and an offset with the photo's colours,
    as far as ``tuning`` asks for them.

    Args:
        target: at the camera of ``state``.
    """
    base, planes = state.generator, state.generator.planes(state.ws)
    grid = base.density_grid(planes)
    stuffs = stuffs_of(target) if tuning.palette else []
    if tuning.palette:
        base = state.generator = in_the_photos_colours(base, planes, target, stuffs, grid)
    mirrored = tuning.mirrored and tuning.match_light and target.mirror_weight > 0
    light = rendered_light(base, planes, grid) if mirrored else None
    if tuning.offset_rate:
        gate = None
        if tuning.gated:
            mirror = [Camera.from_vector(target.camera).mirror().vector()] if tuning.mirrored and target.mirror_weight > 0 else []
            gate = surface_gate(base, planes, [target.camera, *mirror], grid)
        state.offset = PlanesOffset(planes, tuning.offset_levels, gate)
        if tuning.painted:
            paint(base, planes, target, tuning, state.offset, grid)
    return Prepared(planes, grid, light)


def to_be_painted(out: Synthesized, image: Tensor, mask: Tensor | None, rim: int = 0, foreign: Tensor | None = None) -> Tensor:
    """The photo ``image [1, 3, H, W]`` to compare with, but the render itself where opacity alone may give way: along the edge of the
    ``mask [1, 1, H, W]``, and where the photo has background and the render is solid all around (between strands of hair). What is painted
    there is white, and stays on the head when it turns.

    Args:
        rim: half the edge's width, in pixels; 0: the edge is painted as the rest is.
        foreign: ``[1, 1, H, W]``: what else is not painted (``Target``).
    """
    if mask is None:
        return image
    solid = eroded(resized(out.image_opacity, image.shape[-1]), 1)
    edge = (eroded(mask, rim) < 0.5) & (-eroded(-mask, rim) > 0.5)
    left = edge | ((mask < 0.5) & (solid > 0.9))
    if foreign is not None:
        left = left | (foreign > 0.5)
    return torch.where(left, out.image.detach(), image)


def near_enough(tuning: TuningConfig, perceptual: PerceptualLoss, distance: float) -> bool:
    """Whether the stage may end (``TuningConfig.stop_at_lpips``); ``distance`` is the weighted term at the photo's view."""
    if tuning.stop_at_lpips is None or not perceptual.name.startswith("lpips"):
        return False
    return distance <= tuning.perceptual_weight * tuning.stop_at_lpips


@torch.no_grad()
def _whole_distance(state: State, target: Target, perceptual: PerceptualLoss) -> float:
    """Of the photo and the view as the portrait will show it: a look at some of its pixels is far nearer (0.05 where this is 0.17)."""
    offset = None if state.offset is None else state.offset.total()
    drawn = Portrait3D(state.generator, state.ws, target.camera, planes_offset=offset).render(target.camera).image
    drawn = F.interpolate(drawn, target.image.shape[-2:], mode="bilinear", antialias=True, align_corners=False)
    image, _ = completed(target.image, None, drawn, None, target.beyond)
    return float(perceptual(drawn, image))


@torch.no_grad()
def _reference_depths(base: TriPlaneGenerator, planes: Tensor, grid: Tensor | None, config: InversionConfig, rng: torch.Generator,
                      count: int = 6) -> list[tuple[Tensor, Tensor]]:
    """(camera, depth of the untouched generator) at random cameras (SPI: yaw within 0.7 rad, pitch within 0.4 rad)."""
    out = []
    for _ in range(count):
        yaw, pitch = ((torch.rand(2, generator=rng) * 2 - 1) * torch.tensor([40.0, 23.0])).tolist()
        camera = Camera.orbit(yaw, pitch, base.config.orbit_radius, base.config.orbit_pivot).vector().to(planes.device)
        out.append((camera, base.render(planes, camera, _depth_resolution(base), samples=config.samples(base), grid=grid).depth))
    return out


def _depth_resolution(generator: TriPlaneGenerator) -> int:
    return generator.config.draft_resolution // 2


@torch.no_grad()
def _refresh(views: _Views, generator: TriPlaneGenerator, planes: Tensor, grid: Tensor | None, ws: Tensor, target: Target,
             tuning: TuningConfig, rng: torch.Generator) -> None:
    if not (tuning.neighbours or tuning.mirrored):
        return
    depth = generator.render(planes, target.camera, generator.config.draft_resolution, grid=grid).depth
    views.labels = []
    yaw, pitch = Camera.from_vector(target.camera).yaw_pitch()
    if tuning.neighbours:
        for side in (-1, 1):
            camera = _near(generator, target, yaw, pitch, side, tuning, rng)
            filling = None if views.untouched is None else generator.view(views.untouched, ws, camera).image
            views.labels.append(neighbour_label(generator, planes, target, depth, camera, tuning, filling, grid))
    if tuning.mirrored and target.mirror_weight > 0:
        views.evidence = mirror_evidence(target, depth, tuning, views.light)
        for side in (-1, 1):
            camera = _near(generator, target, -yaw, pitch, side, tuning, rng)
            views.labels.append(mirror_label(generator, planes, target, depth, camera, views.evidence, tuning, grid))


def _near(generator: TriPlaneGenerator, target: Target, yaw: float, pitch: float, side: int, tuning: TuningConfig,
          rng: torch.Generator) -> Tensor:
    """A camera near (yaw, pitch), on one side of it."""
    a, b = torch.rand(2, generator=rng).tolist()
    yaw = max(-80.0, min(80.0, yaw + side * (0.25 + 0.75 * a) * tuning.neighbour_yaw))
    pitch = pitch + (2 * b - 1) * tuning.neighbour_pitch
    return Camera.orbit(yaw, pitch, generator.config.orbit_radius, generator.config.orbit_pivot).vector().to(target.camera)


def _extra_losses(generator: TriPlaneGenerator, planes: Tensor, ws: Tensor, views: _Views, turn: int, stride: int,
                  density: Tensor | None, config: InversionConfig, perceptual: PerceptualLoss, rng: torch.Generator) -> dict[str, Tensor]:
    tuning, samples, losses = config.tuning, config.samples(generator), {}
    if views.labels:
        label = views.labels[turn % len(views.labels)]
        seen = label.image, label.trust
        out, (image, trust) = look(generator, planes, ws, label.camera, seen, stride, rng, rng, samples, density)
        label = replace(label, image=image, trust=trust)
        if label.mirrored:
            term = _difference(out, image, trust, perceptual) if tuning.mirror_pixels else out.image.new_zeros(())
            if tuning.contextual_weight:
                term = term + tuning.contextual_weight * _contextual(out, label)
            losses["mirrored"] = tuning.extra_every * tuning.mirror_weight * term
        else:
            losses["neighbour"] = tuning.extra_every * tuning.neighbour_weight * _difference(out, image, trust, perceptual)
    if views.references:
        camera, depth = views.references[turn % len(views.references)]
        now = generator.render(planes, camera, _depth_resolution(generator), samples=samples, grid=density).depth
        losses["depth"] = tuning.extra_every * tuning.depth_weight * depth_drift(now, depth)
    return losses


def _difference(out: Synthesized, image: Tensor, trust: Tensor, perceptual: PerceptualLoss) -> Tensor:
    """Of a render and a label, where that may be trusted."""
    # Elsewhere the aim is the render itself, so that windows of the perceptual loss across the border cost nothing.
    aim = torch.where(trust > 0.5, image, out.image.detach())
    return perceptual(out.image, aim) + ((out.image - image).abs() * trust).mean()


def _contextual(out: Synthesized, label: Label) -> Tensor:
    """Contextual loss of VGG features on eyes, nose and mouth, where most of a box may be trusted."""
    size = out.image.shape[-1]
    points = torch.tensor(FEATURES, device=out.image.device)[None]
    uv, _ = project(points, label.camera)
    half = round(size * PART * WIDTHS_PER_UNIT / 2)
    total, count = out.image.new_zeros(()), 0
    for x, y in (uv[0] * size).round().long().tolist():
        if not (half <= x < size - half and half <= y < size - half):
            continue
        box = (..., slice(y - half, y + half), slice(x - half, x + half))
        if label.trust[box].mean() > 0.6:
            total = total + contextual_loss(vgg_features(out.image[box]), vgg_features(label.image[box]))
            count += 1
    return total / max(count, 1)

