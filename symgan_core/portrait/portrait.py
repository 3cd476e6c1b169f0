"""``Portrait3D``: what an inversion returns. Renders, edits, saves and loads."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import RequestError
from ..generator import Head, Sampling, Synthesized, TriPlaneGenerator
from ..generator.gated import GatedPlanes, Planes
from ..generator.rendering import EMPTY
from ..geometry.volume import largest_component
from .detail import Detail, DetailPicture
from .editing.doors import edited
from .editing.editor import Editor
from .editing.motion import Motion
from .materials import Material

MAX_YAW, MAX_PITCH = 90.0, 40.0
POINTS = 1 << 17
"""Points that are asked for their colours at once."""
MATTER = 5.0
"""Raw density that is seen; what of it floats beside the head is not rendered."""


@dataclass(eq=False)
class Portrait3D:
    """A head that can be turned.

    Attributes:
        generator: the tuned generator (or the untouched one).
        ws: ``[1, num_ws, w_dim]``.
        camera: ``[1, 25]``, the photo's.
        report: the dict that ``report.json`` holds.
        planes_offset: ``[1, 3, C, H, W]`` that is added to the planes, or None.
        gate: ``[1, 1, D, D, D]`` in [0, 1]: where in the box the offset counts, or None: everywhere (``generator/gated.py``).
        backdrop: ``[1, 3, S, S]`` in [-1, 1], a few blots of colour of what was behind the head in the photo, or None.
        pictures: of the head, whose detail the views show (``detail.py``); none for a portrait without detail.
        materials: of hair and skin that none of the pictures shows.
        unedited: the portrait that this one is an edit of, or None.
        edits: strengths of the directions along which it is edited in its own space (``editing``); none where its code was moved.
    """

    generator: TriPlaneGenerator
    ws: Tensor
    camera: Tensor
    report: dict[str, Any] = field(default_factory=dict)
    planes_offset: Tensor | None = None
    backdrop: Tensor | None = None
    gate: Tensor | None = None
    pictures: tuple[DetailPicture, ...] = ()
    materials: tuple[Material, ...] = ()
    unedited: Portrait3D | None = None
    edits: dict[str, float] = field(default_factory=dict)
    _head: Head | None = field(default=None, repr=False)
    _detail: Detail | None = field(default=None, repr=False)
    _editor: Editor | None = field(default=None, repr=False)
    _motion: Motion | None = field(default=None, repr=False)

    @torch.no_grad()
    def render(self, camera: Tensor | np.ndarray | None = None, *, yaw: float = 0.0, pitch: float = 0.0,
               zoom: float = 1.0, detail: bool = True, scale: float = 1.0) -> Synthesized:
        """A view; planes and detail are computed once and kept.

        Args:
            camera: ``[25]`` or ``[B, 25]``; or leave it out and give
            yaw, pitch: degrees around the head, and ``zoom`` (1 = the generator's usual frame).
            detail: False leaves the photo's detail out.
            scale: below 1, so many of the generator's ``neural_rendering_resolution`` rays a side, for a picture that another one follows.

        Raises:
            RequestError: an angle or the zoom is out of range.
        """
        if camera is None:
            camera = self.orbit_camera(yaw, pitch, zoom)
        camera = torch.as_tensor(np.asarray(camera.detach().cpu() if isinstance(camera, Tensor) else camera), dtype=torch.float32)
        views = [self._view(one, detail, scale) for one in camera.reshape(-1, 25).to(self.ws.device).split(1)]
        return Synthesized(*(torch.cat(maps) for maps in zip(*views, strict=True)))

    @torch.no_grad()
    def sources(self, yaw: float = 0.0, pitch: float = 0.0) -> tuple[Synthesized, Tensor]:
        """A view, and where its pixels come from, ``[1, 1, MAP, MAP]`` uint8 (``Detail.sources``); INVENTED all over for a portrait
        without pictures. Angles in degrees, errors as ``render`` has them."""
        camera = self.orbit_camera(yaw, pitch)
        view, source = self._view(camera, True), self.unedited or self
        return view, source.detail().sources(view, camera, None if self.unedited is None else self._pull_back)

    def _view(self, camera: Tensor, detail: bool, scale: float = 1.0) -> Synthesized:
        head = self.head()
        doubled = scale == 1 and self.generator.superresolution is None and head.grid is not None
        view = head.view(camera, round(self.generator.config.neural_rendering_resolution * scale), Sampling(doubled=doubled))
        source = self.unedited or self
        if detail and self.pictures:
            view = source.detail().added_to(view, camera, None if self.unedited is None else self._pull_back)
        return source.editor().coloured(view, camera, self.edits, self._motion) if self.edits else view

    def _pull_back(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """World points ``[..., 3]`` of this head to where they were before it was edited, and how far they were seen then, ``[..., 1]``."""
        seen, source = torch.ones_like(points[..., :1]), self.unedited or self
        if not self.edits:
            return self.generator.pull_back(points, source.ws[:, 0], self.ws[:, 0]), seen
        if self._motion is None:
            return points, seen
        return self._motion.pull_back(points), seen - self._motion.from_inside(points)

    @torch.no_grad()
    def colours_at(self, points: Tensor, normals: Tensor) -> Tensor:
        """Colours ``[P, 3]`` in [0, 1] of a surface, detail included, at ``points [P, 3]`` with unit ``normals [P, 3]``."""
        head = self.head()
        colours = torch.cat([head.query(part)[1][0, :3].T for part in points[None].split(POINTS, 1)])
        came, seen = (points, torch.ones_like(points[:, :1])) if self.unedited is None else self._pull_back(points)
        source = self.unedited or self
        if self.pictures:
            colours = source.detail().at_points(colours, came, normals, seen)
        colours = colours.clamp(0, 1)
        return source.editor().coloured_points(colours, came, normals, self.edits) if self.edits else colours

    def planes(self) -> Planes:
        """``[1, 3, C, H, W]``, ``GatedPlanes`` or ``MovedPlanes``, computed once and kept."""
        return self.head().planes

    @torch.no_grad()
    def head(self) -> Head:
        """What the views are rendered from, computed once and kept; its grid is of the largest piece of matter alone."""
        if self._head is None and self.edits:
            editor = (self.unedited or self).editor()
            self._motion = editor.motion(self.edits)
            self._head = editor.moved(self._motion)
        elif self._head is None:
            planes = self.generator.planes(self.ws)
            if self.planes_offset is not None:
                offset, gate = self.planes_offset, self.gate
                planes = planes + offset if gate is None else GatedPlanes(planes, offset, gate)
            grid = self.generator.density_grid(planes)
            self._head = Head(self.generator, self.ws, planes, None if grid is None else largest_component(grid, MATTER, EMPTY))
        return self._head

    def detail(self) -> Detail:
        """What ``pictures`` show beyond the head, computed once and kept."""
        if self._detail is None:
            self._detail = Detail(self.pictures, lambda camera: self.render(camera, detail=False), self.generator.config.white_back,
                                  self.materials)
        return self._detail

    def editor(self) -> Editor:
        """What edits this head in its own space, made once and kept.

        Raises:
            ValueError: it is an edited head, or its generator has no density grid.
        """
        if self._editor is None:
            self._editor = Editor(self.head(), self.render)
        return self._editor

    def orbit_camera(self, yaw: float, pitch: float = 0.0, zoom: float = 1.0) -> Tensor:
        """``[1, 25]``: the camera of a slider position."""
        if not (abs(yaw) <= MAX_YAW and abs(pitch) <= MAX_PITCH and 0.5 <= zoom <= 2.5):
            raise RequestError(f"The view (yaw {yaw}, pitch {pitch}, zoom {zoom}) is out of range.",
                               f"Keep yaw within ±{MAX_YAW:.0f}, pitch within ±{MAX_PITCH:.0f}, zoom within 0.5 to 2.5.")
        return self.generator.orbit_camera(yaw, pitch, zoom)

    def edit(self, strengths: dict[str, float], directions: str | Path | None = None) -> Portrait3D:
        """The same person, edited; shares the generator.

        Args:
            strengths: of named directions (``editing.list_directions``), from the unedited head.
            directions: a file of directions in w of one's own (``editing.load_directions``).

        Raises:
            RequestError: an unknown direction, or a strength that is out of range.
        """
        return edited(self, strengths, directions)

    def with_ws(self, ws: Tensor) -> Portrait3D:
        """The same person with another code ``[1, num_ws, w_dim]``: offset and detail move along where the code moves the face."""
        source = self.unedited or self
        offset = source.planes_offset
        offset = None if offset is None else self.generator.carry(offset, source.ws, ws)
        return replace(source, ws=ws, planes_offset=offset, unedited=source, _head=None, _detail=None, _editor=None)

    def with_edits(self, edits: dict[str, float]) -> Portrait3D:
        """The same person with strengths of directions in the head's own space, each within its range; the unedited one for none."""
        source = self.unedited or self
        return replace(source, edits=edits, unedited=source, _head=None, _detail=None, _editor=None) if edits else source

    def orbit_video(self, path: str | Path, frames: int = 60) -> Path:
        """Write a looping film of the head turning (.mp4, .gif or .webp); see ``symgan_core.export.write_orbit``."""
        from ..export import write_orbit  # likewise

        return write_orbit(self, path, frames)

    def mesh(self, path: str | Path) -> Path:
        """Write a coloured mesh (.glb); see ``symgan_core.export.write_mesh``."""
        from ..export import write_mesh  # likewise

        return write_mesh(self, path)

    def save(self, folder: str | Path) -> Path:
        """Write ``portrait.safetensors`` and ``report.json``; of the photo, the head alone (``storage.py``)."""
        from .storage import save_portrait  # it makes Portrait3Ds

        return save_portrait(self, Path(folder))

    @staticmethod
    def load(folder: str | Path, device: str | torch.device = "auto", base: TriPlaneGenerator | None = None) -> Portrait3D:
        """Read what ``save`` wrote.

        Args:
            base: the untouched generator, if it is loaded already; what the portrait changes of it, it gets its own copy of.

        Raises:
            CheckpointError: missing, damaged, or of a generator that is not there.
        """
        from .storage import load_portrait

        return load_portrait(Path(folder), device, base)
