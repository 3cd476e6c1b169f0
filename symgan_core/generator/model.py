"""``TriPlaneGenerator``: codes to planes, planes to views, views to images. One class for every configuration."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..geometry.cameras import Camera
from ..geometry.rays import camera_rays, pixel_centres, pixel_rays
from ..geometry.volume import Marched, box_points, coarse_depths, dilated, importance_depths, interval_weights, march, march_both, uniform
from .config import GeneratorConfig
from .decoder import Decoder, axes_to_projections, for_sampling, sample_planes
from .gated import Planes
from .synthesis import Backbone, SuperResolution

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


class Synthesized(NamedTuple):
    """``image [B, 3, H, W]``, ``image_raw [B, 3, R, R]`` in [-1, 1], ``image_depth`` and ``image_opacity [B, 1, R, R]``."""

    image: Tensor
    image_raw: Tensor
    image_depth: Tensor
    image_opacity: Tensor


class TriPlaneGenerator(nn.Module):
    """EG3D-style generator (Chan et al., CVPR 2022, arXiv 2112.07945); weights carry the official names.

    Args:
        config: architecture and rendering settings.

    Deterministic unless ``jitter`` is given. ``chunk_rays`` bounds the memory of rendering.
    """

    chunk_rays = 8192
    half_precision = False
    """Super-resolve in half precision wherever no gradient is asked for: ``float16`` on CUDA (the official networks were trained with it),
    ``bfloat16`` on a CPU. Pays on CUDA, and on processors with AMX (``half_precision_pays``)."""

    def __init__(self, config: GeneratorConfig):
        super().__init__()
        self.config = config
        self.backbone = Backbone(config)
        self.superresolution = SuperResolution(config) if config.superresolution else None
        self.decoder = Decoder(config)
        self.register_buffer("projections", axes_to_projections(config.plane_axes), persistent=False)
        # Files of the official training loop hold one more buffer that no forward pass uses (spec section 2).
        self.register_load_state_dict_pre_hook(lambda module, state, *_: state.pop("dataset_label_std", None))

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.decoder.net[0].weight.device

    def copy_with_trainable(self, parts: Iterable[str]) -> TriPlaneGenerator:
        """A copy that has its own ``parts`` ("backbone", "decoder", "superresolution"), to be changed, and shares all other weights with
        this one: many portraits fit into memory."""
        parts, twin = set(parts), copy.copy(self)
        twin._modules = {name: copy.deepcopy(module) if name in parts else module for name, module in self._modules.items()}
        return twin

    def mapping(self, z: Tensor, camera: Tensor, truncation_psi: float = 1.0, truncation_cutoff: int | None = None) -> Tensor:
        """``z [B, z_dim]`` and conditioning ``camera [B, 25]`` to ``ws [B, num_ws, w_dim]``.

        Args:
            truncation_psi: 1 leaves w as it is, 0 gives the mean face.
            truncation_cutoff: truncate only the first so many rows.
        """
        if z.shape[-1] != self.config.z_dim:
            raise ValueError(f"z has {z.shape[-1]} numbers, this generator wants {self.config.z_dim}")
        ws = self.backbone.mapping(z, camera)[:, None].repeat(1, self.config.num_ws, 1)
        if truncation_psi != 1:
            w_avg, rows = self.backbone.mapping.w_avg, slice(truncation_cutoff)
            ws[:, rows] = w_avg + truncation_psi * (ws[:, rows] - w_avg)
        return ws

    def planes(self, ws: Tensor, noise_mode: str = "const", resolution: int | None = None) -> Tensor:
        """``ws [B, num_ws, w_dim]`` to ``planes [B, 3, C, H, W]``.

        Args:
            noise_mode: "const" (the stored noise) or "none".
            resolution: stop the backbone early, at smaller planes (for previews and coarse-to-fine training).
        """
        if ws.ndim != 3 or ws.shape[1:] != (self.config.num_ws, self.config.w_dim):
            raise ValueError(f"ws has shape {tuple(ws.shape)}, expected [B, {self.config.num_ws}, {self.config.w_dim}]")
        with nullcontext() if self.training else _whole_float32(ws.device):
            planes = self.backbone.canonical(ws, noise_mode == "const", resolution)
        return planes if self.backbone.warp is None else self.backbone.warp(planes, ws[:, 0])

    def carry(self, planes: Tensor, before: Tensor, after: Tensor) -> Tensor:
        """``planes [B, 3, C, H, W]``, or changes of such, of a face ``before [B, num_ws, w_dim]`` for the face ``after``: where w moves the
        face (``plane_warp``), they move along."""
        warp = self.backbone.warp
        return planes if warp is None or torch.equal(before[:, 0], after[:, 0]) else warp.carry(planes, before[:, 0], after[:, 0])

    @torch.no_grad()
    def pull_back(self, points: Tensor, before: Tensor, after: Tensor) -> Tensor:
        """Where on the face ``before [1, w_dim]`` lies what the face ``after`` has at ``points [..., 3]``, as far as w moves the face
        (``plane_warp``): the mean of what the planes say along each axis."""
        warp = self.backbone.warp
        if warp is None or torch.equal(before, after):
            return points
        flat, half = points.reshape(-1, 3), self.config.box_warp / 2
        places = torch.einsum("pi,kij->kpj", flat / half, self.projections)
        moved = torch.einsum("kpj,kij->pi", warp.pull_back(places, before, after) - places, self.projections)
        return (flat + moved * half / self.projections.square().sum((0, 2))).reshape(points.shape)

    def query(self, planes: Planes, points: Tensor) -> tuple[Tensor, Tensor]:
        """Raw density ``[B, P]`` and features ``[B, C, P]`` in about [0, 1] at ``points [B, P, 3]``."""
        return self.decode(sample_planes(planes, points, self.projections, self.config.box_warp), points)

    def hidden_features(self, planes: Planes, points: Tensor) -> Tensor:
        """What goes into the decoder's last layer at ``points [B, P, 3]``: ``[B, P, decoder_hidden]``."""
        return self.decoder.hidden(sample_planes(planes, points, self.projections, self.config.box_warp))

    def decode(self, sampled: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        """The same from the planes' mean features ``sampled [B, P, C]`` at the points.

        Generators on white are empty outside the box: there two planes say nothing, and what an inversion writes into the third would
        stand in the room as bars along its axis. EG3D's own do render a background there.
        """
        sigma, features = self.decoder(sampled)
        if self.config.white_back:
            sigma = sigma.masked_fill(points.abs().amax(-1) > self.config.box_warp / 2, EMPTY)
        return sigma, features

    def march_rays(self, planes: Planes, origins: Tensor, directions: Tensor, jitter: torch.Generator | None = None,
                   depth_range: tuple[Tensor, Tensor] | None = None, samples: tuple[int, int] | None = None) -> Marched:
        """Coarse and importance pass along ``[B, M, 3]`` rays (spec 5.3 to 5.6)."""
        config = self.config
        coarse_count, fine_count = samples or (config.depth_resolution, config.depth_resolution_importance)
        coarse = coarse_depths(config.ray_start, config.ray_end, coarse_count, origins.shape[:2], jitter, origins.device)
        found = self.query_rays(planes, origins, directions, coarse)
        if not fine_count:
            return march(*found, depth_range, config.white_back)
        with torch.no_grad():
            fine = importance_depths(interval_weights(found[0], coarse), coarse, fine_count, jitter)
        return march_both(found, self.query_rays(planes, origins, directions, fine), depth_range, config.white_back)

    def query_rays(self, planes: Planes, origins: Tensor, directions: Tensor, depths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Raw density ``[B, M, S]``, features ``[B, C, M, S]``, and ``depths [B, M, S]`` again, ready for ``march``."""
        points = origins[:, :, None] + directions[:, :, None] * depths[..., None]
        sigma, features = self.query(planes, points.flatten(1, 2))
        return sigma.reshape(depths.shape), features.reshape(*features.shape[:2], *depths.shape[1:]), depths

    @torch.no_grad()
    def density_grid(self, planes: Planes, part: int = 1) -> Tensor | None:
        """``[B, 1, D, D, D]`` raw density in the box, x fastest: what ``render`` looks at first. None where the configuration has none.

        Who renders the same planes, or nearly the same, several times saves time by asking once. ``part``: for drafts, D is this part of
        the configuration's.
        """
        size = self.config.density_grid
        return None if size is None else self.density_volume(planes, size // part, self.config.box_warp)[:, None]

    @torch.no_grad()
    def density_volume(self, planes: Planes, size: int, side: float) -> Tensor:
        """``[B, size, size, size]`` raw density at points evenly spread over a cube of ``side`` world units, x fastest."""
        views = len(planes) if isinstance(planes, Tensor) else 1
        points = box_points(size, side, planes.device).reshape(1, -1, 3).expand(views, -1, 3)
        planes = for_sampling(planes)
        sigma = torch.cat([self.query(planes, part)[0] for part in points.split(16 * self.chunk_rays, 1)], 1)
        return sigma.reshape(-1, size, size, size)

    def render(self, planes: Planes, camera: Tensor, resolution: int | None = None, jitter: torch.Generator | None = None,
               samples: tuple[int, int] | None = None, grid: Tensor | None = None, smooth_edges: bool = False,
               doubled: bool = False) -> Rendered:
        """Volume-render ``planes [B, 3, C, H, W]`` (or one set for all views, gated or moved perhaps) from ``camera [B, 25]``.

        Args:
            samples: coarse and importance samples a ray, in place of the configuration's.
            grid: ``density_grid`` of the planes, or of planes that they were a few steps ago.
            smooth_edges: pixels at edges are the mean of several rays (with a ``density_grid`` alone; depth stays the middle one's).
            doubled: the maps get twice the ``resolution``; pixels at edges have rays of their own, all others are interpolated (with a
                ``density_grid`` alone).
        """
        resolution = resolution or self.config.neural_rendering_resolution
        planes = for_sampling(planes)
        if self.config.density_grid:
            grid = self.density_grid(planes) if grid is None else grid
            parts = [self._render_sparse(_view_of(planes, i), _view_of(grid, i), view, resolution, jitter, samples, smooth_edges, doubled)
                     for i, view in enumerate(camera.split(1))]
            return Rendered(*(torch.cat(maps) for maps in zip(*parts, strict=True)))
        if not isinstance(planes, Tensor) and len(camera) > 1:
            parts = [self.render(planes, view, resolution, jitter, samples) for view in camera.split(1)]
            return Rendered(*(torch.cat(maps) for maps in zip(*parts, strict=True)))
        planes = planes.expand(camera.shape[0], *planes.shape[1:]) if isinstance(planes, Tensor) else planes
        origins, directions = camera_rays(camera, resolution)
        depth_range = self._depth_range(origins)
        step = max(1, self.chunk_rays // camera.shape[0])
        marched = self._joined(
            self.march_rays(planes, origins[:, i: i + step], directions[:, i: i + step], jitter, depth_range, samples)
            for i in range(0, origins.shape[1], step))
        return Rendered(*(x.reshape(camera.shape[0], -1, resolution, resolution) for x in marched))

    def _render_sparse(self, planes: Planes, grid: Tensor, camera: Tensor, resolution: int, jitter: torch.Generator | None,
                       samples: tuple[int, int] | None, smooth_edges: bool, doubled: bool) -> Rendered:
        """One view whose coarse pass reads a grid (``GeneratorConfig.density_grid``). Gradients flow through the fine pass."""
        config = self.config
        coarse_count, fine_count = samples or (config.depth_resolution, config.depth_resolution_importance)
        with torch.no_grad():
            size = max(1, resolution // 2)
            # What a pixel's neighbours see may reach into it, a little nearer or farther: the largest weight around counts.
            weights = dilated(self._grid_weights(grid, camera, size, coarse_count)).flatten(2)[0].T
            wanted = weights.sum(1) > 1e-3
            if jitter:  # while weights are tuned, matter may have to grow where there is none yet
                wanted |= uniform((len(wanted),), jitter, wanted.device) < 0.1
            wanted[0] |= ~wanted.any()  # not a special case of an empty scene
            depths = coarse_depths(config.ray_start, config.ray_end, coarse_count, (1, int(wanted.sum())), None, planes.device)
            depths = importance_depths(weights[wanted][None], depths, fine_count, jitter, floor=0.001)
            # Each of these rays stands for the pixels around it.
            line = torch.arange(resolution, device=planes.device) * size // resolution
            nearest = (line[:, None] * size + line).flatten()
            rays = torch.nonzero(wanted[nearest])[:, 0]
            depths = depths[:, (wanted.cumsum(0) - 1)[nearest[rays]]]
        places = pixel_centres(resolution, planes.device)[rays]
        found = self._collect(planes, camera, places, depths)
        empty = (1.0 if config.white_back else -1.0, float(self._depth_range(camera)[1]), 0.0)
        rendered = Rendered(*(
            x.new_full((1, x.shape[1], resolution**2), fill).index_copy(2, rays, x).unflatten(2, (resolution, resolution))
            for x, fill in zip(found, empty, strict=True)))
        if doubled:
            return self._doubled(rendered, planes, camera, rays, places, depths)
        if smooth_edges and (chosen := _edges(rendered).flatten()[rays]).any():
            moves = torch.tensor(EDGE_RAYS, device=planes.device)[:, None] / resolution
            more = self._collect(planes, camera, (places[chosen] + moves).flatten(0, 1), depths[:, chosen].repeat(1, len(moves), 1))
            for pixels, middle, beside in ((rendered.features, found[0], more[0]), (rendered.opacity, found[2], more[2])):
                rays_of_each = torch.cat([middle[:, :, None, chosen], beside.unflatten(2, (len(moves), -1))], 2)
                pixels.flatten(2)[..., rays[chosen]] = rays_of_each.mean(2)
        return rendered

    def _doubled(self, rendered: Rendered, planes: Planes, camera: Tensor, rays: Tensor, places: Tensor, depths: Tensor) -> Rendered:
        """``rendered`` in twice its resolution. ``rays [M]``: the numbers of the pixels that were rendered, through ``places [M, 2]`` with
        samples at ``depths [1, M, S]``."""
        size = rendered.depth.shape[-1]
        features = F.interpolate(rendered.features, scale_factor=2, mode="bicubic", align_corners=False)
        depth, opacity = (F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False) for x in rendered[1:])
        edges = F.max_pool2d(_edges(rendered).float(), 3, 1, 1).flatten()[rays] > 0
        if edges.any():
            moves = torch.tensor(SUBPIXELS, device=planes.device)[:, None] / size
            found = self._collect(planes, camera, (places[edges] + moves).flatten(0, 1), depths[:, edges].repeat(1, len(moves), 1))
            row, column = rays[edges] // size * 2, rays[edges] % size * 2
            row, column = torch.cat([row, row, row + 1, row + 1]), torch.cat([column, column + 1, column, column + 1])
            for pixels, values in zip((features, depth, opacity), found, strict=True):
                pixels[:, :, row, column] = values
        return Rendered(features, depth, opacity)

    def _collect(self, planes: Planes, camera: Tensor, places: Tensor, depths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features ``[1, C, M]``, depth and opacity ``[1, 1, M]`` of the rays through ``places [M, 2]`` (in [0, 1]) with samples at
        ``depths [1, M, S]``."""
        origins, directions = pixel_rays(camera, places[None])
        depth_range = self._depth_range(origins)
        step = 4 * self.chunk_rays  # samples a ray are few here; and each chunk's gradient is one more pass over whole planes
        chunks = zip(*(x.split(step, 1) for x in (origins, directions, depths)), strict=True)
        return self._joined(march(*self.query_rays(planes, *chunk), depth_range, self.config.white_back) for chunk in chunks)

    def _grid_weights(self, grid: Tensor, camera: Tensor, resolution: int, count: int) -> Tensor:
        """``[1, count - 1, R, R]`` weights of the intervals between evenly spread samples of the density ``grid [1, 1, D, D, D]``."""
        origins, directions = (x[:, :, None] * (2 / self.config.box_warp) for x in camera_rays(camera, resolution))
        depths = coarse_depths(self.config.ray_start, self.config.ray_end, count, (1, resolution**2), None, camera.device)
        places = torch.addcmul(origins, directions, depths[..., None])
        # Row by row: grid_sample shares a batch out among threads. Beyond the box it gives zeros.
        rows, places = (grid - EMPTY).expand(resolution, -1, -1, -1, -1), places.reshape(resolution, 1, resolution, count, 3)
        sigma = F.grid_sample(rows, places, align_corners=True).reshape(1, -1, count) + EMPTY
        weights = sigma.new_zeros(*sigma.shape[:2], count - 1)
        hits = sigma.amax(-1) > FAINT
        weights[hits] = interval_weights(sigma[hits], depths[hits])
        return weights.transpose(1, 2).unflatten(2, (resolution, resolution))

    @staticmethod
    def _joined(parts: Iterable[Marched]) -> tuple[Tensor, Tensor, Tensor]:
        """Features ``[B, C, M]``, depth and opacity ``[B, 1, M]`` of chunks of rays."""
        parts = list(parts)
        return (torch.cat([p.features for p in parts], 2), torch.cat([p.depth for p in parts], 1)[:, None],
                torch.cat([p.weights.sum(-1) for p in parts], 1)[:, None])

    def super_resolve(self, rendered: Rendered, ws: Tensor) -> Tensor:
        """The final image ``[B, 3, H, W]`` of a rendered view: the view itself where there is no super-resolution."""
        if self.superresolution is None:
            return rendered.features
        w = ws[:, -1].expand(rendered.features.shape[0], -1)
        features, device = rendered.features, rendered.features.device.type
        if not torch.is_grad_enabled():  # a fifth to a quarter faster this way; backwards it is slower
            features = features.contiguous(memory_format=torch.channels_last)
        half = self.half_precision and not torch.is_grad_enabled()
        with _whole_float32(w.device), torch.autocast(device, torch.float16 if device == "cuda" else torch.bfloat16, enabled=half):
            return self.superresolution(features[:, :3], features, w).float()

    def synthesis(self, ws: Tensor, camera: Tensor, neural_rendering_resolution: int | None = None,
                  jitter: torch.Generator | None = None, noise_mode: str = "const") -> Synthesized:
        """``planes``, ``render`` and ``super_resolve`` in a row."""
        return self.view(self.planes(ws, noise_mode), ws, camera, neural_rendering_resolution, jitter)

    def view(self, planes: Planes, ws: Tensor, camera: Tensor, neural_rendering_resolution: int | None = None,
             jitter: torch.Generator | None = None, samples: tuple[int, int] | None = None, grid: Tensor | None = None,
             doubled: bool = False) -> Synthesized:
        """A view of ready-made planes, for a frame or a slider. Its edges are smooth where no gradient is asked for; ``doubled`` as
        ``render`` has it."""
        smooth = not torch.is_grad_enabled()
        rendered = self.render(planes, camera, neural_rendering_resolution, jitter, samples, grid, smooth, doubled)
        return Synthesized(self.super_resolve(rendered, ws), rendered.features[:, :3], rendered.depth, rendered.opacity)

    def frontal_camera(self) -> Tensor:
        """``[1, 25]``: the camera that looks the mean face in the eyes; the usual conditioning camera."""
        camera = Camera.orbit(0.0, 0.0, self.config.orbit_radius, self.config.orbit_pivot)
        return camera.vector().to(self.device)

    def _depth_range(self, rays: Tensor) -> tuple[Tensor, Tensor]:
        config = self.config
        step = (config.ray_end - config.ray_start) / (config.depth_resolution - 1)
        return rays.new_tensor(config.ray_start + step / 2), rays.new_tensor(config.ray_end + step / 2)


def _view_of(x: Planes, number: int) -> Planes:
    """What belongs to one of several views, of tensors ``[B, ...]`` or of one for all."""
    return x[number: number + 1] if isinstance(x, Tensor) and len(x) > 1 else x


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


def half_precision_pays(device: torch.device) -> bool:
    """Whether ``TriPlaneGenerator.half_precision`` makes views faster there."""
    known = getattr(torch.cpu, "get_capabilities", dict)()  # PyTorch's older releases do not say
    return device.type == "cuda" or (device.type == "cpu" and bool(known.get("amx_bf16")))


def _whole_float32(device: torch.device) -> AbstractContextManager:
    """On CUDA, PyTorch lets convolutions of float32 read ten bits of the mantissa (TF32). Planes that are a thousandth off change pixels
    at the edges of EG3D's hard densities by a twentieth of the image's range."""
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False) if device.type == "cuda" else nullcontext()
