"""``Head``: a generator, the code and the planes of one of its heads, and their density, which travel together."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .gated import Planes
from .model import Synthesized, TriPlaneGenerator
from .rendering import Rendered, Sampling


@dataclass(frozen=True, eq=False)
class Head:
    """What renders one head, or several in a batch.

    Attributes:
        generator: it says what is at a point of the planes.
        ws: ``[B, num_ws, w_dim]``; of them, a super-resolution takes its styles.
        planes: ``[B, 3, C, H, W]``, or one set of gated or moved planes.
        grid: ``[B, 1, D, D, D]``, ``density_grid`` of the planes, or of planes that they were a few steps ago; None where the configuration
            has none. Left out where there could be one, each view asks for its own.
    """

    generator: TriPlaneGenerator
    ws: Tensor
    planes: Planes
    grid: Tensor | None = None

    @classmethod
    def of(cls, generator: TriPlaneGenerator, ws: Tensor, planes: Planes | None = None, part: int = 1) -> Head:
        """The head ``ws [B, num_ws, w_dim]``, with its ``planes`` unless they are given, and their grid; ``part`` as
        ``TriPlaneGenerator.density_grid`` has it."""
        planes = generator.planes(ws) if planes is None else planes
        return cls(generator, ws, planes, generator.density_grid(planes, part))

    def view(self, camera: Tensor, resolution: int | None = None, sampling: Sampling = Sampling()) -> Synthesized:
        """What ``camera [B, 25]`` sees, as ``TriPlaneGenerator.view`` has it."""
        return self.generator.view(self.planes, self.ws, camera, resolution, sampling, self.grid)

    def render(self, camera: Tensor, resolution: int | None = None, sampling: Sampling = Sampling()) -> Rendered:
        """The same before it is super-resolved, as ``TriPlaneGenerator.render`` has it."""
        return self.generator.render(self.planes, camera, resolution, sampling, self.grid)

    def draft(self, camera: Tensor) -> Rendered:
        """``render`` at the configuration's ``draft_resolution``, for what need not be fine."""
        return self.render(camera, self.generator.config.draft_resolution)

    def query(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Raw density ``[B, P]`` and features ``[B, C, P]`` in about [0, 1] at ``points [B, P, 3]``."""
        return self.generator.query(self.planes, points)

    def orbit(self, yaw: float, pitch: float = 0.0, zoom: float = 1.0) -> Tensor:
        """``[1, 25]``: a camera around the head, as ``TriPlaneGenerator.orbit_camera`` has it; angles in degrees."""
        return self.generator.orbit_camera(yaw, pitch, zoom)
