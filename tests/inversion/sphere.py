"""A constructed case: an opaque half-sphere face of known depth."""

import torch

from symgan_core.generator import Head, Rendered
from symgan_core.geometry import camera_rays
from symgan_core.inversion.target.target import Target
from symgan_core.inversion.views.warping import MirrorWarp, PhotoWarp
from tests.conftest import TINY

SIZE, RADIUS = 128, 0.2
WARP = PhotoWarp(tolerance=0.03, grazing=0.4, mirror=MirrorWarp(conflict_threshold=0.22, match_light=True))
PLAIN = PhotoWarp(grazing=0.4, mirror=MirrorWarp(conflict_threshold=None, match_light=False))
RELIT = PhotoWarp(grazing=0.4, mirror=MirrorWarp(conflict_threshold=None, match_light=True))


def sphere_depth(camera: torch.Tensor, size: int = SIZE) -> torch.Tensor:
    origins, directions = camera_rays(camera, size)
    along = -(origins * directions).sum(-1)
    squared = RADIUS**2 - (origins.square().sum(-1) - along**2)
    return torch.where(squared > 0, along - squared.clamp(min=0).sqrt(), torch.tensor(3.1)).reshape(1, 1, size, size)


class SphereGenerator:
    """Stands in for a generator: renders the sphere from everywhere."""

    config = TINY

    def density_grid(self, planes):
        return None

    def render(self, planes, camera, *_, **__):
        depth = sphere_depth(camera)
        return Rendered(torch.zeros(1, 3, SIZE, SIZE), depth, (depth < 3).float())

    def super_resolve(self, rendered, ws):
        return rendered.features


SPHERE = Head(SphereGenerator(), None, None)


def points_seen(camera: torch.Tensor) -> torch.Tensor:
    origins, directions = camera_rays(camera, SIZE)
    return (origins + directions * sphere_depth(camera).flatten(1)[..., None]).reshape(SIZE, SIZE, 3)


def painted(camera: torch.Tensor, mole: bool, light: float = 0.0) -> Target:
    """A symmetric pattern on the sphere, with a mole on the person's left, lit more from the left by ``light``."""
    points = points_seen(camera)
    x, y, z = points.unbind(-1)
    colour = 0.3 * torch.sin(40 * x.abs()) * torch.cos(30 * y) + light * x
    if mole:
        colour = torch.where((points - torch.tensor([0.06, -0.06, 0.18])).norm(dim=-1) < 0.03, torch.tensor(-1.0), colour)
    mask = (sphere_depth(camera) < 3).float()
    return Target(colour.expand(1, 3, SIZE, SIZE) * mask, mask, camera)
