"""What an inversion has at any step, and what the preparations and terms of a stage share."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..generator import Head, Sampling, TriPlaneGenerator
from ..geometry import Camera
from ..losses import PerceptualLoss
from ..portrait.materials import Material
from .appearance.light import Light, rendered_light
from .appearance.offset import PlanesOffset
from .start.camera import adjusted_camera
from .start.latent import latent_statistics
from .start.pose_fit import FacePoints
from .target.target import Target

if TYPE_CHECKING:
    from .method import Method


@dataclass
class State:
    """The head so far; an inversion can be stopped and used at any step.

    Attributes:
        ws: ``[1, num_ws, w_dim]``; camera: ``[1, 25]``.
        offset: on the planes of ``ws``, or None before stage 2.
        camera_delta: ``[6]``, of the camera from the photo's as it was read (``start/camera.py``); None before the pose has been fitted.
        domain_gap: how far the photo is from the generator's training (``start/domain_gap.py``), or None where it was not measured.
        materials: what hair and skin look like that no photo shows; none before stage 2.
    """

    generator: TriPlaneGenerator
    ws: Tensor
    camera: Tensor
    offset: PlanesOffset | None = None
    camera_delta: Tensor | None = None
    domain_gap: float | None = None
    materials: tuple[Material, ...] = ()


@dataclass
class Stage:
    """What the preparations and terms of a stage share.

    Attributes:
        target: what the stage compares with; a preparation may put a masked one in its place.
        method: its numbers.
        perceptual: the perceptual loss of the method.
        rng: all random numbers of the run, in the order in which they are asked for.
    """

    state: State
    target: Target
    method: Method
    perceptual: PerceptualLoss
    rng: torch.Generator

    @property
    def generator(self) -> TriPlaneGenerator:
        """The generator as it is now."""
        return self.state.generator

    @property
    def sampling(self) -> Sampling:
        """How rays are sampled while optimising."""
        return Sampling(samples=self.generator.config.draft_samples if self.method.draft else None)


@dataclass
class PivotStage(Stage):
    """Stage 1: the code (and, if asked, the camera).

    Attributes:
        frozen: the numbers of w that stay as they are.
        haircut_kept: whether the encoder's haircut stays, so that the head is to stay empty where it is.
    """

    frozen: list[int] = field(default_factory=list)
    haircut_kept: bool = False

    def __post_init__(self) -> None:
        self._photo = self.target

    @cached_property
    def statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation ``[w_dim]`` of w under the photo's camera."""
        return latent_statistics(self.generator, self._photo.camera)

    @cached_property
    def landmarks(self) -> FacePoints | None:
        """The points of the photo's face; None for generators whose frame they are not read in."""
        if not self._photo.white_background:
            return None
        return FacePoints(self.generator, self._photo.image, self._photo.outside)

    @property
    def fitted_camera(self) -> Tensor:
        """``[1, 25]``: the camera that the pose fit has found."""
        return adjusted_camera(self._photo.camera, self.state.camera_delta)


@dataclass
class TuningStage(Stage):
    """Stage 2: the generator and an offset on the planes; ``target`` is at the camera of ``state``.

    Attributes:
        groups: parameter groups of Adam beside the generator's weights: "params", "rate", and what else Adam takes.
        planes: ``[1, 3, C, H, W]`` of the pivot; planes_deviation: their standard deviation.
        light: what falls on the prepared pivot, where the method matches the light of mirrored pixels and the generator knows it.
    """

    groups: list[dict[str, Any]] = field(default_factory=list)
    light: Light | None = None

    def __post_init__(self) -> None:
        self.planes = self.generator.planes(self.state.ws)
        self._grid = self.generator.density_grid(self.planes)
        self.planes_deviation = float(self.planes.std())

    @property
    def head(self) -> Head:
        """The pivot's, painted by the generator as it is now."""
        return Head(self.generator, self.state.ws, self.planes, self._grid)

    @property
    def mirrored_camera(self) -> Tensor | None:
        """``[1, 25]``, where the method mirrors the photo and the photo is taken from one side."""
        if self.method.warp.mirror is None or not self.target.mirror_weight > 0:
            return None
        return Camera.from_vector(self.target.camera).mirror().vector()

    def prepare(self) -> TuningStage:
        """All that needs no steps."""
        for part in self.method.tuning.prepare:
            part.apply(self)
        if self.mirrored_camera is not None and self.method.warp.mirror.match_light:
            self.light = rendered_light(self.head)
        return self
