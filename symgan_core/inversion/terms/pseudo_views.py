"""Views that the photo does not show, compared with what the photo and its mirror image say of them (pseudo labels)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ...generator import Synthesized
from ...geometry import DEFAULT_FOCAL, Camera, project
from ...losses import PerceptualLoss, contextual_loss, vgg_features
from ..views.labels import Label, MirrorEvidence, mirror_evidence, mirror_label, neighbour_label
from .base import Loss, Term

if TYPE_CHECKING:
    from ..state import TuningStage
    from ..step import Step

FEATURES = ((-0.062, 0.0, 0.16), (0.062, 0.0, 0.16), (0.0, -0.06, 0.21), (0.0, -0.115, 0.18))
"""Eyes, nose and mouth of the mean head, world units: where the contextual loss compares."""
FEATURE_SIDE = 0.085
"""Side of its boxes, world units."""
WIDTHS_PER_UNIT = DEFAULT_FOCAL / 2.7
"""Image widths a world unit at the head's distance."""
MAX_YAW = 80.0
"""Degrees."""


@dataclass(frozen=True)
class Neighbours:
    """The photo warped to cameras near its own.

    Attributes:
        fill_hidden: what the photo hides there, the untouched planes fill in (HFGI3D, arXiv 2211.15662).
    """

    weight: float = 0.4
    fill_hidden: bool = False

    name = "neighbour"

    def makes_labels(self, stage: TuningStage) -> bool:
        """Always."""
        return True

    def centre(self, yaw: float) -> float:
        """The yaw that its cameras are around, for a photo from ``yaw``; degrees."""
        return yaw

    def label(self, views: PseudoViewsLoss, step: Step, depth: Tensor, camera: Tensor) -> Label:
        """What ``camera [1, 25]`` sees; ``depth [1, 1, R, R]`` is the photo's view's."""
        stage = step.stage
        filling = step.generator.view(stage.planes, step.ws, camera).image if self.fill_hidden else None
        return neighbour_label(step.head, stage.target, depth, camera, stage.method.warp, filling)

    def difference(self, out: Synthesized, label: Label, perceptual: PerceptualLoss) -> Tensor:
        """Of a render and a label, a scalar."""
        return masked_difference(out, label, perceptual)


@dataclass(frozen=True)
class MirroredNeighbours:
    """The flipped photo warped to cameras near the mirrored one, where the method mirrors (``PhotoWarp.mirror``) and the photo is taken
    from one side.

    Attributes:
        pixels: labels are compared as pictures; SPI compares contextually alone.
        contextual: weight, beside ``pixels``, of the contextual loss on eyes, nose and mouth: sets of VGG features (SPI).
    """

    weight: float = 0.3
    pixels: bool = True
    contextual: float = 0.0

    name = "mirrored"

    def makes_labels(self, stage: TuningStage) -> bool:
        """For a photo from one side."""
        return stage.mirrored_camera is not None

    def centre(self, yaw: float) -> float:
        """As ``Neighbours`` has it."""
        return -yaw

    def label(self, views: PseudoViewsLoss, step: Step, depth: Tensor, camera: Tensor) -> Label:
        """As ``Neighbours`` has it."""
        stage = step.stage
        return mirror_label(step.head, stage.target, depth, camera, views.evidence(depth, stage), stage.method.warp)

    def difference(self, out: Synthesized, label: Label, perceptual: PerceptualLoss) -> Tensor:
        """As ``Neighbours`` has it."""
        total = masked_difference(out, label, perceptual) if self.pixels else out.image.new_zeros(())
        return total + self.contextual * contextual_difference(out, label) if self.contextual else total


@dataclass(frozen=True)
class PseudoViews(Term):
    """One view a time of those that its ``sources`` make, two of each, in turn.

    Attributes:
        yaw, pitch: how far the cameras may be from a source's centre, degrees.
        refresh_every: steps after which cameras, depths, warps and masks are made anew.
    """

    sources: tuple[Neighbours | MirroredNeighbours, ...] = (Neighbours(), MirroredNeighbours())
    yaw: float = 22.0
    pitch: float = 6.0
    every: int = 3
    refresh_every: int = 15

    def start(self, stage: TuningStage) -> Loss | None:
        """None where no source has a weight."""
        return PseudoViewsLoss(self) if any(source.weight for source in self.sources) else None


class PseudoViewsLoss(Loss):
    """Keeps the labels from one refresh to the next."""

    def __init__(self, term: PseudoViews):
        super().__init__(term)
        self._labels: list[tuple[Neighbours | MirroredNeighbours, Label]] = []
        self._evidence: MirrorEvidence | None = None
        self._outdated = True

    @torch.no_grad()
    def renew(self, step: Step) -> None:
        """Make the labels anew, if it is time."""
        term, stage = self.term, step.stage
        if step.number % term.refresh_every:
            return
        self._labels, self._outdated = [], True
        depth = step.head.draft(stage.target.camera).depth
        yaw, pitch = Camera.from_vector(stage.target.camera).yaw_pitch()
        for source in term.sources:
            if source.weight and source.makes_labels(stage):
                for side in (-1, 1):
                    camera = self._near(stage, source.centre(yaw), pitch, side)
                    self._labels.append((source, source.label(self, step, depth, camera)))

    def _near(self, stage: TuningStage, yaw: float, pitch: float, side: int) -> Tensor:
        """A camera near (yaw, pitch), on one side of it."""
        a, b = torch.rand(2, generator=stage.rng).tolist()
        yaw = max(-MAX_YAW, min(MAX_YAW, yaw + side * (0.25 + 0.75 * a) * self.term.yaw))
        pitch = pitch + (2 * b - 1) * self.term.pitch
        return stage.generator.orbit_camera(yaw, pitch)

    def evidence(self, depth: Tensor, stage: TuningStage) -> MirrorEvidence:
        """What photo and mirror say of each other, with the photo's ``depth`` of this refresh."""
        if self._outdated:
            self._evidence, self._outdated = mirror_evidence(stage.target, depth, stage.method.warp, stage.light), False
        return self._evidence

    def losses(self, step: Step) -> dict[str, Tensor]:
        """ "neighbour" or "mirrored"."""
        if not self._labels:
            return {}
        source, label = self._labels[step.number // self.term.every % len(self._labels)]
        out, (image, trust) = step.render(label.camera, (label.image, label.trust))
        value = source.difference(out, Label(image, trust, label.camera), step.stage.perceptual)
        return {source.name: self.scale * source.weight * value}

    def report(self) -> dict[str, Any]:
        """The share of mirrored pixels that were rejected as conflicts."""
        rejected = None if self._evidence is None else self._evidence.rejected_share
        return {"mirror_rejected_share": None if rejected is None else round(rejected, 4)}


def masked_difference(out: Synthesized, label: Label, perceptual: PerceptualLoss) -> Tensor:
    """Of a render and a label, where that may be trusted."""
    # Elsewhere the aim is the render itself, so that windows of the perceptual loss across the border cost nothing.
    aim = torch.where(label.trust > 0.5, label.image, out.image.detach())
    return perceptual(out.image, aim) + ((out.image - label.image).abs() * label.trust).mean()


def contextual_difference(out: Synthesized, label: Label) -> Tensor:
    """Contextual loss of VGG features on eyes, nose and mouth, where most of a box may be trusted."""
    size = out.image.shape[-1]
    points = torch.tensor(FEATURES, device=out.image.device)[None]
    uv, _ = project(points, label.camera)
    half = round(size * FEATURE_SIDE * WIDTHS_PER_UNIT / 2)
    total, count = out.image.new_zeros(()), 0
    for x, y in (uv[0] * size).round().long().tolist():
        if not (half <= x < size - half and half <= y < size - half):
            continue
        box = (..., slice(y - half, y + half), slice(x - half, x + half))
        if label.trust[box].mean() > 0.6:
            total = total + contextual_loss(vgg_features(out.image[box]), vgg_features(label.image[box]))
            count += 1
    return total / max(count, 1)
