"""One step of a stage, as the terms see it: code, planes and the photo's view, each computed when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from ..generator import Head, Synthesized, TriPlaneGenerator
from ..generator.gated import Planes
from ..geometry.rays import pixel_centres
from .events import PREVIEW_EVERY, Event
from .rendering import CachedDensityGrid, Pictures, draft_stride, render_strided
from .state import Stage
from .target.target import Target, fill_from_render, to_preview


class View(NamedTuple):
    """A render of the photo's view, and the same pixels of what it is compared with.

    ``image [1, 3, h, w]``, ``mask [1, 1, h, w]`` and ``occluder_mask [1, 1, h, w]`` or None; out of the photo's frame the first two are the
    render's own. ``uv [1, 2, h, w]`` in [0, 1]: where these pixels lie in the photo.
    """

    out: Synthesized
    image: Tensor
    mask: Tensor | None
    occluder_mask: Tensor | None
    uv: Tensor


class Step:
    """What the terms of one step share.

    Attributes:
        stage: what is the same in all steps.
        number, share: which step it is, from 0, and as a share of the stage.
        ws: ``[1, num_ws, w_dim]``.
        target: the photo, at the camera of this step.
        previous: ``View.out`` of the step before, or None.
    """

    def __init__(self, stage: Stage, number: int, share: float, ws: Tensor, target: Target):
        self.stage, self.number, self.share, self.ws, self.target = stage, number, share, ws, target
        self.previous: Synthesized | None = None
        self.stride = draft_stride(stage.generator) if stage.method.draft else 1
        self.resolution: int | None = None
        self.jitter: torch.Generator | None = None
        self._make_planes: Callable[[], Planes] = lambda: self.planes_of(ws)
        self._grid: CachedDensityGrid | None = None

    def with_planes(self, grid: CachedDensityGrid, make: Callable[[], Planes] | None = None) -> Step:
        """This step, with a grid for the density of its planes, and another way to make these than from ``ws``."""
        self._grid, self._make_planes = grid, make or self._make_planes
        return self

    @property
    def generator(self) -> TriPlaneGenerator:
        """The generator as it is in this step."""
        return self.stage.generator

    def planes_of(self, ws: Tensor) -> Tensor:
        """``[1, 3, C, H, W]`` of any code, in the resolution of this step."""
        return self.generator.planes(ws, resolution=self.resolution)

    @cached_property
    def planes(self) -> Planes:
        """Those of this step's head; with their graph, whoever asks first."""
        with torch.enable_grad():
            return self._make_planes()

    @cached_property
    def density(self) -> Tensor | None:
        """Density grid of ``planes``, or of those of a few steps ago."""
        return self._grid.of(self.planes)

    @cached_property
    def head(self) -> Head:
        """This step's."""
        return Head(self.generator, self.ws, self.planes, self.density)

    def head_of(self, ws: Tensor) -> Head:
        """That of a code near this step's; samples are placed by the density of this step's."""
        return Head(self.generator, ws, self.planes_of(ws), self.density)

    def render(self, camera: Tensor, pictures: Pictures, head: Head | None = None) -> tuple[Synthesized, Pictures]:
        """What ``camera [1, 25]`` sees of the ``head``, this step's unless it is given, as ``render_strided`` has it."""
        sampling = self.stage.sampling._replace(jitter=self.jitter)
        return render_strided(head or self.head, camera, pictures, self.stride, self.stage.rng, sampling)

    @cached_property
    def view(self) -> View:
        """The photo's view, with its graph."""
        target = self.target
        pictures = (target.image, target.mask, target.occluder_mask, target.out_of_frame, _pixel_centres(target.image))
        out, (image, mask, occluder, outside, uv) = self.render(target.camera, pictures)
        return View(out, *fill_from_render(image, mask, out.image, out.image_opacity, outside), occluder, uv)


def _pixel_centres(image: Tensor) -> Tensor:
    """``[1, 2, H, H]`` in [0, 1]: where the pixels of ``image [1, 3, H, H]`` are."""
    side = image.shape[-1]
    return pixel_centres(side, image.device).T.reshape(1, 2, side, side)


def step_event(stage: str, step: Step, total: int, losses: dict[str, Tensor], skipped: int = 0) -> Event:
    """What a step that is done reports; every few steps, and at the last of ``total``, with a picture. ``skipped``: as ``Event`` has it."""
    done = step.number + 1
    preview = to_preview(step.view.out, step.generator) if step.number % PREVIEW_EVERY == 0 or done == total else None
    return Event(stage, done, total, {name: float(value.detach()) for name, value in losses.items()}, preview, skipped)
