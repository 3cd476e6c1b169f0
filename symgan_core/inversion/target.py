"""What an inversion aims at: the photo on the generator's background, its mask, its camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import RequestError
from ..generator import Synthesized, TriPlaneGenerator
from ..geometry import Camera, mirror_image, mirror_weight


@dataclass(frozen=True, eq=False)
class Target:
    """``image [1, 3, H, W]`` in [-1, 1], ``mask [1, 1, H, W]`` in [0, 1] or None, ``camera [1, 25]``.

    ``matte``: the generator leaves the background empty, so that its opacity has to be the mask.
    """

    image: Tensor
    mask: Tensor | None
    camera: Tensor
    matte: bool = True

    def mirrored(self) -> Target:
        """The flipped photo at the mirrored camera."""
        mask = None if self.mask is None else mirror_image(self.mask)
        return Target(mirror_image(self.image), mask, Camera.from_vector(self.camera).mirror().vector(), self.matte)

    def with_camera(self, camera: Tensor) -> Target:
        """The same photo seen from another camera."""
        return Target(self.image, self.mask, camera, self.matte)

    @property
    def mirror_weight(self) -> float:
        """SPI's weight of the mirrored view at this yaw."""
        return mirror_weight(Camera.from_vector(self.camera.detach()).yaw_pitch()[0])


def make_target(crop: np.ndarray, camera: Tensor | np.ndarray, mask: np.ndarray | None, generator: TriPlaneGenerator) -> Target:
    """Check and prepare the inputs of ``invert_crop``.

    Raises:
        RequestError: wrong shapes or dtypes.
    """
    crop = np.asarray(crop)
    if crop.ndim != 3 or crop.shape[2] != 3 or crop.dtype != np.uint8 or crop.shape[0] != crop.shape[1]:
        raise RequestError(f"The crop has shape {crop.shape} and type {crop.dtype}.", "It must be a square uint8 [H, H, 3] picture.")
    camera = torch.as_tensor(np.asarray(camera), dtype=torch.float32).reshape(-1)
    if camera.numel() != 25 or not torch.isfinite(camera).all():
        raise RequestError("The camera is not a vector of 25 finite numbers.", "Pack cam2world (16) and intrinsics (9).")
    size = (generator.config.image_resolution,) * 2
    image = torch.from_numpy(np.ascontiguousarray(crop)).permute(2, 0, 1)[None].float() / 127.5 - 1
    image = F.interpolate(image, size, mode="bilinear", antialias=True, align_corners=False)
    soft = None
    if mask is not None:
        mask = np.asarray(mask)
        if mask.shape != crop.shape[:2]:
            raise RequestError(f"The mask has shape {mask.shape}, the crop {crop.shape[:2]}.", "Give a mask of the crop's size.")
        soft = torch.from_numpy(np.ascontiguousarray(mask))[None, None].float() / 255
        soft = F.interpolate(soft, size, mode="bilinear", antialias=True, align_corners=False)
        if generator.config.white_back:
            # The generator knows heads on white; a photo's background would be painted onto the sides of the head.
            image = image * soft + (1 - soft)
    device = generator.device
    return Target(image.to(device), None if soft is None else soft.to(device), camera[None].to(device), generator.config.white_back)


def opacity_difference(out: Synthesized, target: Target) -> Tensor:
    """Mean squared difference of the rendered opacity and the mask (0 without a mask): keeps the background out of the head.

    EG3D's own generators render the background as part of the volume; there it is 0 too.
    """
    if target.mask is None or not target.matte:
        return out.image.new_zeros(())
    mask = F.interpolate(target.mask, out.image_opacity.shape[-2:], mode="area")
    return (out.image_opacity - mask).square().mean()


def to_uint8(image: Tensor) -> np.ndarray:
    """``[1, 3, H, W]`` or ``[3, H, W]`` in [-1, 1] to uint8 ``[H, W, 3]``, rounded."""
    image = image.detach().reshape(image.shape[-3:])
    return (image.permute(1, 2, 0).float() * 127.5 + 127.5).round().clamp(0, 255).byte().cpu().numpy()
