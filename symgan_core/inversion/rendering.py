"""Renders while optimising: a whole view, or some of its pixels beside the same ones of what it is compared with."""

from __future__ import annotations

import torch
from torch import Tensor

from ..generator import Head, Sampling, Synthesized, TriPlaneGenerator
from ..geometry import Camera

Pictures = tuple[Tensor | None, ...]
GRID_EVERY = 4
"""For so many steps the density grid of planes that are being changed is good enough to place samples."""


class CachedDensityGrid:
    """``TriPlaneGenerator.density_grid`` of planes that change a little from step to step."""

    def __init__(self, generator: TriPlaneGenerator):
        self._generator, self._age, self._grid = generator, 0, None

    def of(self, planes: Tensor) -> Tensor | None:
        """The grid of these planes, or of those of a few calls ago."""
        if self._age % GRID_EVERY == 0:
            self._grid = self._generator.density_grid(planes.detach())
        self._age += 1
        return self._grid


def draft_stride(generator: TriPlaneGenerator) -> int:
    """The ``stride`` at which a view has no more than the generator's draft resolution."""
    return generator.config.neural_rendering_resolution // generator.config.draft_resolution


def draft(generator: TriPlaneGenerator, ws: Tensor, camera: Tensor) -> Synthesized:
    """The whole head ``ws [1, num_ws, w_dim]`` from ``camera [1, 25]``, at draft resolution, for a network's input."""
    config = generator.config
    return Head.of(generator, ws, part=2).view(camera, config.draft_resolution, Sampling(samples=config.draft_samples))


def render_strided(head: Head, camera: Tensor, pictures: Pictures, stride: int, rng: torch.Generator,
                   sampling: Sampling = Sampling()) -> tuple[Synthesized, Pictures]:
    """What ``camera [1, 25]`` sees, rendered at a part of the full resolution, and the same pixels of ``pictures``.

    Where each pixel of the image has its own ray, only every so many rows and columns of the picture are rendered, from a random one on:
    over the steps each pixel gets its turn, so nothing is learned that is blurred. Where a super-resolution draws the image from a smaller
    rendering (EG3D), that becomes smaller still and the image stays whole.

    Args:
        pictures: ``[1, *, H, W]`` of the same camera, of the image's size, or None.
        stride: the full resolution is so many times the rendered one.
        rng: where the first row and column come from.
    """
    generator = head.generator
    resolution = generator.config.neural_rendering_resolution // stride
    if stride == 1 or generator.superresolution is not None:
        return head.view(camera, resolution, sampling), pictures
    column, row = torch.randint(stride, (2,), generator=rng).tolist()
    part = Camera.from_vector(camera).interlaced(stride, column, row, resolution).vector()
    return head.view(part, resolution, sampling), tuple(None if p is None else p[..., row::stride, column::stride] for p in pictures)
