"""``TriPlaneGenerator``: codes to planes, planes to views, views to images. One class for every configuration."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..geometry.cameras import Camera
from ..geometry.volume import box_points
from .config import BUILTIN, GeneratorConfig
from .decoder import Decoder, axes_to_projections, for_sampling, sample_planes
from .gated import Planes
from .rendering import EMPTY, Rays, Rendered, Sampling, view_of
from .synthesis import Backbone, SuperResolution
from .traits import Traits, builtin_traits


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

    @cached_property
    def traits(self) -> Traits | None:
        """What the numbers of ``w`` mean; None where nobody knows (EG3D). Another generator's may be assigned."""
        return builtin_traits() if self.config == BUILTIN else None

    def open_mouth(self) -> Tensor:
        """``ws [1, num_ws, w_dim]`` of the mean head with an open mouth. Raises ValueError where ``traits`` is None."""
        if self.traits is None:
            raise ValueError("nobody knows which code of this generator opens a mouth")
        return self.traits.mouth_opened(self.backbone.mapping.w_avg).repeat(1, self.config.num_ws, 1)

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

    def render(self, planes: Planes, camera: Tensor, resolution: int | None = None, sampling: Sampling = Sampling(),
               grid: Tensor | None = None) -> Rendered:
        """Volume-render ``planes [B, 3, C, H, W]`` (or one set for all views, gated or moved perhaps) from ``camera [B, 25]``.

        Args:
            resolution: R of the maps; default: ``neural_rendering_resolution``.
            grid: ``density_grid`` of the planes, or of planes that they were a few steps ago.
        """
        resolution = resolution or self.config.neural_rendering_resolution
        planes = for_sampling(planes)
        if self.config.density_grid:
            grid = self.density_grid(planes) if grid is None else grid
            parts = [Rays(self, view_of(planes, i), view, sampling).sparse(resolution, view_of(grid, i))
                     for i, view in enumerate(camera.split(1))]
        elif isinstance(planes, Tensor):
            return Rays(self, planes.expand(camera.shape[0], *planes.shape[1:]), camera, sampling).full(resolution)
        else:
            parts = [Rays(self, planes, view, sampling).full(resolution) for view in camera.split(1)]
        return Rendered(*(torch.cat(maps) for maps in zip(*parts, strict=True)))

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
        return self.view(self.planes(ws, noise_mode), ws, camera, neural_rendering_resolution, Sampling(jitter))

    def view(self, planes: Planes, ws: Tensor, camera: Tensor, neural_rendering_resolution: int | None = None,
             sampling: Sampling = Sampling(), grid: Tensor | None = None) -> Synthesized:
        """A view of ready-made planes, for a frame or a slider. Its edges are smooth where no gradient is asked for; all else as
        ``render`` has it."""
        sampling = sampling._replace(smooth_edges=not torch.is_grad_enabled())
        rendered = self.render(planes, camera, neural_rendering_resolution, sampling, grid)
        return Synthesized(self.super_resolve(rendered, ws), rendered.features[:, :3], rendered.depth, rendered.opacity)

    def orbit_camera(self, yaw: float, pitch: float = 0.0, zoom: float = 1.0) -> Tensor:
        """``[1, 25]``: a camera around the head, at the distance and the pivot of the configuration; angles in degrees."""
        return Camera.orbit(yaw, pitch, self.config.orbit_radius, self.config.orbit_pivot).zoomed(zoom).vector().to(self.device)

    def frontal_camera(self) -> Tensor:
        """``[1, 25]``: the camera that looks the mean face in the eyes; the usual conditioning camera."""
        return self.orbit_camera(0.0)


def half_precision_pays(device: torch.device) -> bool:
    """Whether ``TriPlaneGenerator.half_precision`` makes views faster there."""
    known = getattr(torch.cpu, "get_capabilities", dict)()  # PyTorch's older releases do not say
    return device.type == "cuda" or (device.type == "cpu" and bool(known.get("amx_bf16")))


def _whole_float32(device: torch.device) -> AbstractContextManager:
    """On CUDA, PyTorch lets convolutions of float32 read ten bits of the mantissa (TF32). Planes that are a thousandth off change pixels
    at the edges of EG3D's hard densities by a twentieth of the image's range."""
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False) if device.type == "cuda" else nullcontext()
