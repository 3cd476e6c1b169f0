"""The pictures whose detail a finished head shows: the photo's head, and its mirror image in the light of the other side."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..generator import TriPlaneGenerator
from ..generator.gated import Planes
from ..geometry import Camera, facing, mirror_image
from ..geometry.images import box_mean, eroded, resized, smooth_step
from ..portrait.detail import DetailPicture
from .config import TuningConfig
from .labels import mirror_evidence
from .light import Light
from .target import Target

RIM = 3
"""Pixels of the target beside the head's outline that are shown near the photo's camera alone."""
SOFT = 5
"""Width of the soft border of what may be shown from other sides, in pixels of the target."""
SQUARE = (0.25, 0.45)
"""Cosines to the surface: what the mirrored photo shows at less than the first is not used, at more than the second it is."""


@torch.no_grad()
def detail_pictures(generator: TriPlaneGenerator, planes: Planes, target: Target, tuning: TuningConfig, light: Light | None = None,
                    grid: Tensor | None = None) -> tuple[DetailPicture, ...]:
    """The photo, and its mirror image where the method uses that and the photo is taken from one side.

    Args:
        planes: of the finished head; ``grid``: their density.
        target: at the camera that was found.
        light: where it is known; else it is fitted to the photo.
    """
    if target.picture is None or target.mask is None:
        return ()
    colours, mask = target.picture.split((3, 1), 1)
    image = colours * mask + (1 - mask)
    seen = generator.render(planes, target.camera, grid=grid)
    depth = seen.depth
    if target.beyond is not None:  # there the head goes on as it is rendered
        size = image.shape[-1]
        beyond = box_mean(F.interpolate(target.beyond, (size, size), mode="nearest"), 9)
        beyond = torch.where(F.interpolate(target.beyond, (size, size), mode="nearest") > 0.5, torch.ones_like(beyond), 2 * beyond).clamp(0, 1)
        image, mask = torch.lerp(image, resized(seen.features[:, :3], size), beyond), torch.lerp(mask, resized(seen.opacity, size), beyond)
    trust = box_mean(eroded((target.told > 0.9).float(), RIM), SOFT)
    photo = DetailPicture(image, mask, trust, target.camera)
    if not (tuning.mirrored and target.mirror_weight > 0):
        return (photo,)
    evidence = mirror_evidence(target, depth, tuning, light)
    camera = Camera.from_vector(target.camera).mirror().vector()
    other = mirror_image(image)
    if evidence.light is not None:
        other = evidence.light.relit(other, camera, mirror_image(depth))
    other = other * mirror_image(mask) + 1 - mirror_image(mask)
    seen = smooth_step(resized(facing(depth, target.camera), trust.shape[-1]), *SQUARE)
    trust = trust * seen
    if evidence.conflict is not None:
        trust = trust * (1 - box_mean(F.max_pool2d(evidence.conflict, SOFT, 1, SOFT // 2), SOFT))
    return photo, DetailPicture(other, mirror_image(mask), mirror_image(trust), camera, fine=True)
