"""``Portrait3D``: what an inversion returns. Renders, edits, saves and loads."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import CheckpointError, RequestError
from ..generator import Synthesized, TriPlaneGenerator, load_generator
from ..generator.checkpoint import source_hash
from ..generator.model import EMPTY
from ..geometry import Camera
from ..geometry.volume import without_crumbs

FORMAT = "symgan-portrait-1"
MAX_YAW, MAX_PITCH = 90.0, 40.0
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
        backdrop: ``[1, 3, S, S]`` in [-1, 1], a few blots of colour of what was behind the head in the photo, or None.
    """

    generator: TriPlaneGenerator
    ws: Tensor
    camera: Tensor
    report: dict[str, Any] = field(default_factory=dict)
    planes_offset: Tensor | None = None
    backdrop: Tensor | None = None
    _planes: Tensor | None = field(default=None, repr=False)
    _grid: Tensor | None = field(default=None, repr=False)

    @torch.no_grad()
    def render(self, camera: Tensor | np.ndarray | None = None, *, yaw: float = 0.0, pitch: float = 0.0,
               zoom: float = 1.0) -> Synthesized:
        """A view; planes are computed once and kept.

        Args:
            camera: ``[25]`` or ``[B, 25]``; or leave it out and give
            yaw, pitch: degrees around the head, and ``zoom`` (1 = the generator's usual frame).

        Raises:
            RequestError: an angle or the zoom is out of range.
        """
        if camera is None:
            camera = self.orbit_camera(yaw, pitch, zoom)
        camera = torch.as_tensor(np.asarray(camera.detach().cpu() if isinstance(camera, Tensor) else camera), dtype=torch.float32)
        planes = self.planes()
        return self.generator.view(planes, self.ws, camera.reshape(-1, 25).to(self.ws.device), grid=self._grid)

    @torch.no_grad()
    def planes(self) -> Tensor:
        """``[1, 3, C, H, W]``, computed once and kept."""
        if self._planes is None:
            self._planes = self.generator.planes(self.ws)
            if self.planes_offset is not None:
                self._planes = self._planes + self.planes_offset
            grid = self.generator.density_grid(self._planes)
            self._grid = None if grid is None else without_crumbs(grid, MATTER, EMPTY)
        return self._planes

    def orbit_camera(self, yaw: float, pitch: float = 0.0, zoom: float = 1.0) -> Tensor:
        """``[1, 25]``: the camera of a slider position."""
        if not (abs(yaw) <= MAX_YAW and abs(pitch) <= MAX_PITCH and 0.5 <= zoom <= 2.5):
            raise RequestError(f"The view (yaw {yaw}, pitch {pitch}, zoom {zoom}) is out of range.",
                               f"Keep yaw within ±{MAX_YAW:.0f}, pitch within ±{MAX_PITCH:.0f}, zoom within 0.5 to 2.5.")
        config = self.generator.config
        return Camera.orbit(yaw, pitch, config.orbit_radius, config.orbit_pivot).zoomed(zoom).vector().to(self.ws.device)

    def edit(self, strengths: dict[str, float], directions: str | Path | None = None) -> Portrait3D:
        """The same person with named directions applied, the generator's or those of a file (``symgan_core.editing``); shares the
        generator."""
        from ..editing import edit_ws  # a door for notebooks: editing lies above this module

        ws = edit_ws(self.ws, self.generator, strengths, directions)
        offset = None if self.planes_offset is None else self.generator.carry(self.planes_offset, self.ws, ws)
        return replace(self, ws=ws, planes_offset=offset, _planes=None)

    def orbit_video(self, path: str | Path, frames: int = 60) -> Path:
        """Write a looping mp4 of the head turning; see ``symgan_core.export.write_orbit``."""
        from ..export import write_orbit  # likewise

        return write_orbit(self, path, frames)

    def mesh(self, path: str | Path) -> Path:
        """Write a coloured mesh (.glb); see ``symgan_core.export.write_mesh``."""
        from ..export import write_mesh  # likewise

        return write_mesh(self, path)

    def save(self, folder: str | Path) -> Path:
        """Write ``portrait.safetensors`` (code, camera, what changed in the generator) and ``report.json``; never the photo."""
        from safetensors.torch import save_file

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {"ws": self.ws.cpu().contiguous(), "camera": self.camera.cpu().contiguous()}
        if self.planes_offset is not None:
            tensors["planes_offset"], tensors["planes_offset_scale"] = quantise(self.planes_offset.cpu())
        if self.backdrop is not None:
            tensors["backdrop"] = self.backdrop.cpu().half().contiguous()
        source = str(self.report.get("generator", "builtin"))
        base = load_generator(source, "cpu").state_dict()
        for name, value in self.generator.state_dict().items():
            change = value.detach().cpu() - base[name]
            if change.abs().max() > 0:
                tensors["delta." + name] = change.half().contiguous()
        meta = {"format": FORMAT, "generator": source, "base": source_hash(source), "report": json.dumps(self.report)}
        partial = folder / "portrait.safetensors.partial"
        save_file(tensors, str(partial), metadata=meta)
        partial.replace(folder / "portrait.safetensors")
        (folder / "report.json").write_text(json.dumps(self.report, indent=1) + "\n")
        return folder / "portrait.safetensors"

    @classmethod
    def load(cls, folder: str | Path, device: str | torch.device = "auto", base: TriPlaneGenerator | None = None) -> Portrait3D:
        """Read what ``save`` wrote.

        Args:
            base: the untouched generator, if it is loaded already; what the portrait changes of it, it gets its own copy of.

        Raises:
            CheckpointError: missing, damaged, or of a generator that is not there.
        """
        from safetensors import SafetensorError, safe_open

        path = Path(folder) / "portrait.safetensors"
        if not path.is_file():
            raise CheckpointError(f"There is no portrait in '{folder}'.", "Name a folder that `invert --out` has written.")
        try:
            with safe_open(str(path), framework="pt", device="cpu") as file:
                meta = file.metadata() or {}
                if meta.get("format") != FORMAT:
                    raise CheckpointError(f"'{path.name}' is not a symgan portrait.", "Name a folder that `invert` has written.")
                tensors = {name: file.get_tensor(name) for name in file.keys()}
            report, source = json.loads(meta["report"]), meta["generator"]
        except (SafetensorError, KeyError, ValueError) as error:
            raise CheckpointError(f"'{path.name}' cannot be read.", "The file is damaged; run the inversion again.") from error
        if meta.get("base") != source_hash(source):  # changes of weights mean nothing on other weights
            raise CheckpointError(f"'{path.name}' belongs to another version of the generator.", "Run the inversion again.")
        changes = {name.removeprefix("delta."): change for name, change in tensors.items() if name.startswith("delta.")}
        generator = (load_generator(source, device) if base is None else base).with_own({key.split(".")[0] for key in changes})
        state = generator.state_dict()
        for key, change in changes.items():
            if key not in state or state[key].shape != change.shape:
                raise CheckpointError(f"'{path.name}' belongs to another version of the generator.", "Run the inversion again.")
            state[key] += change.to(state[key])
        place = generator.device
        offset = None
        if "planes_offset" in tensors:
            offset = (tensors["planes_offset"].float() * tensors["planes_offset_scale"]).to(place)
        backdrop = tensors["backdrop"].float().to(place) if "backdrop" in tensors else None
        return cls(generator, tensors["ws"].to(place), tensors["camera"].to(place), report, offset, backdrop)


def quantise(offset: Tensor) -> tuple[Tensor, Tensor]:
    """``[1, 3, C, H, W]`` to int8 and the step of each channel ``[1, 3, C, 1, 1]``: a quarter of the size, and the error is at
    most 1/254 of the channel's largest change."""
    scale = offset.abs().amax((-2, -1), keepdim=True).clamp(min=1e-8) / 127
    return (offset / scale).round().to(torch.int8).contiguous(), scale.contiguous()
