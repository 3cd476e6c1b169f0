"""Planes to views: rays of a camera through them, all or those alone that meet something, marched into pictures (spec 5.3 to 5.6)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ..geometry.rays import camera_rays, pixel_centres, pixel_rays
from ..geometry.volume import Marched, coarse_depths, dilated, importance_depths, interval_weights, march, march_both, uniform
from .gated import Planes

if TYPE_CHECKING:
    from .model import TriPlaneGenerator

EMPTY = -1e3
"""Raw density of nothing."""
FAINT = -6.0
"""A whole ray of this raw density collects less than a thousandth."""
EDGE_RAYS = ((0.34, 0.12), (-0.28, 0.23), (-0.06, -0.35))
"""Where in a pixel at an edge its further rays pass, from the middle one, in pixels."""
SUBPIXELS = ((-0.25, -0.25), (0.25, -0.25), (-0.25, 0.25), (0.25, 0.25))
"""The four pixels of twice the resolution that lie in one, row by row, from its middle, in pixels."""
EDGE = (0.2, 0.02, 0.1)
"""An edge is where opacity differs from a neighbour's by the first or depth by the second (scene units), and some colour by the third."""


class Rendered(NamedTuple):
    """A low-resolution view: ``features [B, C, R, R]`` in about [-1, 1] (the first three are the colour),
    ``depth [B, 1, R, R]`` along the ray, ``opacity [B, 1, R, R]``."""

    features: Tensor
    depth: Tensor
    opacity: Tensor


class Sampling(NamedTuple):
    """How rays are sampled.

    Attributes:
        jitter: where in their bins samples lie; None: at the midpoints.
        samples: coarse and importance samples a ray, in place of the configuration's.
        smooth_edges: pixels at edges are the mean of several rays (with a ``density_grid`` alone; depth stays the middle one's).
        doubled: the maps get twice the resolution; pixels at edges have rays of their own, all others are interpolated (with a
            ``density_grid`` alone).
    """

    jitter: torch.Generator | None = None
    samples: tuple[int, int] | None = None
    smooth_edges: bool = False
    doubled: bool = False


class _Pixels(NamedTuple):
    """Pixels that have a ray: their ``numbers [M]`` in the picture, row by row, the ``places [M, 2]`` in [0, 1] that the rays pass, and the
    ``depths [1, M, S]`` of the samples."""

    numbers: Tensor
    places: Tensor
    depths: Tensor

    def beside(self, chosen: Tensor, moves: Tensor) -> tuple[Tensor, Tensor]:
        """Places ``[K N, 2]`` and depths ``[1, K N, S]`` of further rays of the N that are ``chosen [M]``, each beside the first by one of
        ``moves [K, 1, 2]``."""
        return (self.places[chosen] + moves).flatten(0, 1), self.depths[:, chosen].repeat(1, len(moves), 1)


class Rays:
    """Rays of a camera through planes.

    Args:
        generator: it says what is at a point.
        planes: of each view, or one set for all; fastest as ``for_sampling`` gives them.
        camera: ``[B, 25]``; B is 1 for ``sparse``.
        sampling: how they are sampled.
    """

    def __init__(self, generator: TriPlaneGenerator, planes: Planes, camera: Tensor, sampling: Sampling):
        self._generator, self._planes, self._camera, self._sampling = generator, planes, camera, sampling
        config = self._config = generator.config
        self._counts = sampling.samples or (config.depth_resolution, config.depth_resolution_importance)
        step = (config.ray_end - config.ray_start) / (config.depth_resolution - 1)
        self._range = camera.new_tensor(config.ray_start + step / 2), camera.new_tensor(config.ray_end + step / 2)

    def full(self, resolution: int) -> Rendered:
        """Every pixel's ray, in full."""
        views = self._camera.shape[0]
        rays = camera_rays(self._camera, resolution)
        step = max(1, self._generator.chunk_rays // views)
        marched = _joined(self._march(*chunk) for chunk in zip(*(x.split(step, 1) for x in rays), strict=True))
        return Rendered(*(x.reshape(views, -1, resolution, resolution) for x in marched))

    def _march(self, origins: Tensor, directions: Tensor) -> Marched:
        """Coarse and importance pass along ``[B, M, 3]`` rays."""
        config, jitter, (coarse_count, fine_count) = self._config, self._sampling.jitter, self._counts
        coarse = coarse_depths(config.ray_start, config.ray_end, coarse_count, origins.shape[:2], jitter, origins.device)
        found = self._query(origins, directions, coarse)
        if not fine_count:
            return march(*found, self._range, config.white_back)
        with torch.no_grad():
            fine = importance_depths(interval_weights(found[0], coarse), coarse, fine_count, jitter)
        return march_both(found, self._query(origins, directions, fine), self._range, config.white_back)

    def _query(self, origins: Tensor, directions: Tensor, depths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Raw density ``[B, M, S]``, features ``[B, C, M, S]``, and ``depths [B, M, S]`` again, ready for ``march``."""
        points = origins[:, :, None] + directions[:, :, None] * depths[..., None]
        sigma, features = self._generator.query(self._planes, points.flatten(1, 2))
        return sigma.reshape(depths.shape), features.reshape(*features.shape[:2], *depths.shape[1:]), depths

    def sparse(self, resolution: int, grid: Tensor) -> Rendered:
        """One view whose coarse pass reads a density ``grid [1, 1, D, D, D]`` (``GeneratorConfig.density_grid``). Gradients flow through
        the fine pass."""
        pixels = self._pixels(resolution, grid)
        found = self._collect(pixels.places, pixels.depths)
        empty = (1.0 if self._config.white_back else -1.0, float(self._range[1]), 0.0)
        rendered = Rendered(*(
            x.new_full((1, x.shape[1], resolution**2), fill).index_copy(2, pixels.numbers, x).unflatten(2, (resolution, resolution))
            for x, fill in zip(found, empty, strict=True)))
        if self._sampling.doubled:
            return self._doubled(rendered, pixels)
        if self._sampling.smooth_edges and (chosen := _edges(rendered).flatten()[pixels.numbers]).any():
            moves = torch.tensor(EDGE_RAYS, device=pixels.places.device)[:, None] / resolution
            more = self._collect(*pixels.beside(chosen, moves))
            for values, middle, beside in ((rendered.features, found[0], more[0]), (rendered.opacity, found[2], more[2])):
                rays_of_each = torch.cat([middle[:, :, None, chosen], beside.unflatten(2, (len(moves), -1))], 2)
                values.flatten(2)[..., pixels.numbers[chosen]] = rays_of_each.mean(2)
        return rendered

    @torch.no_grad()
    def _pixels(self, resolution: int, grid: Tensor) -> _Pixels:
        """Those whose rays may meet something, with samples where the ``grid`` says that it is."""
        config, jitter, device, (coarse_count, fine_count) = self._config, self._sampling.jitter, self._planes.device, self._counts
        size = max(1, resolution // 2)
        # What a pixel's neighbours see may reach into it, a little nearer or farther: the largest weight around counts.
        weights = dilated(self._grid_weights(grid, size, coarse_count)).flatten(2)[0].T
        wanted = weights.sum(1) > 1e-3
        if jitter:  # while weights are tuned, matter may have to grow where there is none yet
            wanted |= uniform((len(wanted),), jitter, wanted.device) < 0.1
        wanted[0] |= ~wanted.any()  # not a special case of an empty scene
        depths = coarse_depths(config.ray_start, config.ray_end, coarse_count, (1, int(wanted.sum())), None, device)
        depths = importance_depths(weights[wanted][None], depths, fine_count, jitter, floor=0.001)
        # Each of these rays stands for the pixels around it.
        line = torch.arange(resolution, device=device) * size // resolution
        nearest = (line[:, None] * size + line).flatten()
        numbers = torch.nonzero(wanted[nearest])[:, 0]
        return _Pixels(numbers, pixel_centres(resolution, device)[numbers], depths[:, (wanted.cumsum(0) - 1)[nearest[numbers]]])

    def _grid_weights(self, grid: Tensor, resolution: int, count: int) -> Tensor:
        """``[1, count - 1, R, R]`` weights of the intervals between evenly spread samples of the density ``grid [1, 1, D, D, D]``."""
        config = self._config
        origins, directions = (x[:, :, None] * (2 / config.box_warp) for x in camera_rays(self._camera, resolution))
        depths = coarse_depths(config.ray_start, config.ray_end, count, (1, resolution**2), None, self._camera.device)
        places = torch.addcmul(origins, directions, depths[..., None])
        # Row by row: grid_sample shares a batch out among threads. Beyond the box it gives zeros.
        rows, places = (grid - EMPTY).expand(resolution, -1, -1, -1, -1), places.reshape(resolution, 1, resolution, count, 3)
        sigma = F.grid_sample(rows, places, align_corners=True).reshape(1, -1, count) + EMPTY
        weights = sigma.new_zeros(*sigma.shape[:2], count - 1)
        hits = sigma.amax(-1) > FAINT
        weights[hits] = interval_weights(sigma[hits], depths[hits])
        return weights.transpose(1, 2).unflatten(2, (resolution, resolution))

    def _doubled(self, rendered: Rendered, pixels: _Pixels) -> Rendered:
        """``rendered`` in twice its resolution; ``pixels`` have a ray in it."""
        size = rendered.depth.shape[-1]
        features = F.interpolate(rendered.features, scale_factor=2, mode="bicubic", align_corners=False)
        depth, opacity = (F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False) for x in rendered[1:])
        edges = F.max_pool2d(_edges(rendered).float(), 3, 1, 1).flatten()[pixels.numbers] > 0
        if edges.any():
            moves = torch.tensor(SUBPIXELS, device=pixels.places.device)[:, None] / size
            found = self._collect(*pixels.beside(edges, moves))
            row, column = pixels.numbers[edges] // size * 2, pixels.numbers[edges] % size * 2
            row, column = torch.cat([row, row, row + 1, row + 1]), torch.cat([column, column + 1, column, column + 1])
            for maps, values in zip((features, depth, opacity), found, strict=True):
                maps[:, :, row, column] = values
        return Rendered(features, depth, opacity)

    def _collect(self, places: Tensor, depths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features ``[1, C, M]``, depth and opacity ``[1, 1, M]`` of the rays through ``places [M, 2]`` (in [0, 1]) with samples at
        ``depths [1, M, S]``."""
        step = 4 * self._generator.chunk_rays  # samples a ray are few here; and each chunk's gradient is one more pass over whole planes
        chunks = zip(*(x.split(step, 1) for x in (*pixel_rays(self._camera, places[None]), depths)), strict=True)
        return _joined(march(*self._query(*chunk), self._range, self._config.white_back) for chunk in chunks)


def view_of(x: Planes, number: int) -> Planes:
    """What belongs to one of several views, of tensors ``[B, ...]`` or of one for all."""
    return x[number: number + 1] if isinstance(x, Tensor) and len(x) > 1 else x


def _joined(parts: Iterable[Marched]) -> tuple[Tensor, Tensor, Tensor]:
    """Features ``[B, C, M]``, depth and opacity ``[B, 1, M]`` of chunks of rays."""
    parts = list(parts)
    return (torch.cat([p.features for p in parts], 2), torch.cat([p.depth for p in parts], 1)[:, None],
            torch.cat([p.weights.sum(-1) for p in parts], 1)[:, None])


def _edges(rendered: Rendered) -> Tensor:
    """``[1, 1, R, R]``: pixels whose neighbour across or down shows something nearer, farther or nothing, in another colour (``EDGE``)."""
    found = torch.zeros_like(rendered.opacity, dtype=torch.bool)
    for dim in (2, 3):
        step, leap, contrast = (x.diff(dim=dim).abs().amax(1, keepdim=True)
                                for x in (rendered.opacity, rendered.depth, rendered.features[:, :3]))
        apart = ((step > EDGE[0]) | (leap > EDGE[1])) & (contrast > EDGE[2])
        for one in (0, 1):
            found.narrow(dim, one, apart.shape[dim]).logical_or_(apart)
    return found
