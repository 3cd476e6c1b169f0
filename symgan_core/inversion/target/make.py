"""From a crop and its masks to a ``Target``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ...errors import RequestError
from ...faces import follow_edges
from ...generator import TriPlaneGenerator
from ...geometry.images import eroded, mean_within, resized, to_uint8, widened
from .target import Target

CUT, DOUBT = 6, 4
"""Pixels of the target: masks are not to be trusted so near to a border of the photo that cuts the head; and half the width of the least
area over which two of them have to contradict each other."""
LEAST_PICTURE = 512
"""Least side, in pixels, of the picture whose detail is kept."""


class PhotoMaps(NamedTuple):
    """What is known of a crop's pixels, each ``[*, *]`` of any size, or None.

    ``in_frame``: bool, within the photo (by default all are). The others are float in [0, 1]: ``body`` (neck, shoulders or clothing),
    ``hair_candidates`` (what hangs beside face and neck), ``hair``, and the face's ``skin``.
    """

    in_frame: np.ndarray | None = None
    body: np.ndarray | None = None
    hair_candidates: np.ndarray | None = None
    hair: np.ndarray | None = None
    skin: np.ndarray | None = None


def make_target(crop: np.ndarray, camera: Tensor | np.ndarray, mask: np.ndarray | None, generator: TriPlaneGenerator,
                maps: PhotoMaps = PhotoMaps(), picture: np.ndarray | None = None, detailed: bool = True) -> Target:
    """Check and prepare the inputs of ``invert_crop``.

    Args:
        crop: uint8 ``[H, H, 3]``; camera: ``[25]``; mask: uint8 ``[H, H]``, 255 = head, or None.
        picture: uint8 ``[S, S, 3]``: the crop in a higher resolution; by default the crop itself.
        detailed: False leaves the target's ``picture`` out, which takes long: for who needs no detail of the photo.

    Raises:
        RequestError: wrong shapes or dtypes.
    """
    crop, camera = _checked(crop, camera)
    side = generator.config.image_resolution
    image = _scaled(torch.from_numpy(np.array(crop, order="C")).permute(2, 0, 1)[None].float() / 127.5 - 1, side)
    soft = backdrop = fine = out_of_frame = None
    if mask is not None:
        mask = np.asarray(mask)
        if mask.shape != crop.shape[:2]:
            raise RequestError(f"The mask has shape {mask.shape}, the crop {crop.shape[:2]}.", "Give a mask of the crop's size.")
        soft = torch.from_numpy(np.array(mask, order="C"))[None, None].float() / 255
        fine = _fine_picture(crop if picture is None else picture, soft) if detailed else None
        soft = _scaled(soft, side)
        if generator.config.white_back:
            backdrop = blurred_backdrop(image, soft)
            # The generator knows heads on white; a photo's background would be painted onto the sides of the head.
            image = image * soft + (1 - soft)
    in_frame = maps.in_frame
    if in_frame is not None and not in_frame.all():
        out_of_frame = F.interpolate(torch.from_numpy(~in_frame)[None, None].float(), (side, side), mode="nearest")
        if soft is not None:
            within = 1 - out_of_frame
            if generator.config.white_back:  # where the border shows background, nothing of the head is cut off
                # Dark hair before a dark wall is lost in masks.
                shown = soft if maps.hair is None else torch.maximum(soft, _as_large(maps.hair, side))
                empty = out_of_frame * (shown <= 0.5)
                image, out_of_frame = torch.where(empty > 0, torch.ones_like(image), image), out_of_frame - empty
                out_of_frame = torch.maximum(out_of_frame, within * _doubtful(soft, shown, out_of_frame))
            soft = soft * within
            if fine is not None:
                fine[:, 3:] *= F.interpolate(within, fine.shape[-2:], mode="nearest")
    shares = {name: _as_large(share, side) for name, share in maps._asdict().items() if name != "in_frame" and share is not None}
    found = {"image": image, "mask": soft, "camera": camera, "backdrop": backdrop, "out_of_frame": out_of_frame, "picture": fine} | shares
    return Target(white_background=generator.config.white_back, outside=0.0 if in_frame is None else float(1 - in_frame.mean()),
                  **{name: None if value is None else value.to(generator.device) for name, value in found.items()})


def _doubtful(mask: Tensor, shown: Tensor, cut: Tensor) -> Tensor:
    """``[1, 1, H, W]`` in {0, 1}: where ``mask`` has no head though there may be one: beside what the photo's border has ``cut`` off, for
    masks fade there, and where another network has ``shown`` hair."""
    hair = widened(eroded((shown > 0.5).float() * (mask <= 0.5), DOUBT), 2 * DOUBT)
    return torch.maximum(widened(cut, CUT), hair) * (mask < 0.95)


def _checked(crop: np.ndarray, camera: Tensor | np.ndarray) -> tuple[np.ndarray, Tensor]:
    """A crop and its camera ``[1, 25]``."""
    crop = np.asarray(crop)
    if crop.ndim != 3 or crop.shape[2] != 3 or crop.dtype != np.uint8 or crop.shape[0] != crop.shape[1]:
        raise RequestError(f"The crop has shape {crop.shape} and type {crop.dtype}.", "It must be a square uint8 [H, H, 3] picture.")
    camera = torch.as_tensor(np.asarray(camera), dtype=torch.float32).reshape(-1)
    if camera.numel() != 25 or not torch.isfinite(camera).all():
        raise RequestError("The camera is not a vector of 25 finite numbers.", "Pack cam2world (16) and intrinsics (9).")
    return crop, camera[None]


def _scaled(image: Tensor, side: int) -> Tensor:
    return F.interpolate(image, (side, side), mode="bilinear", antialias=True, align_corners=False)


def _as_large(share: np.ndarray, side: int) -> Tensor:
    """float ``[h, w]`` as ``[1, 1, side, side]``."""
    return F.interpolate(torch.from_numpy(share)[None, None].float(), (side, side), mode="bilinear", align_corners=False)


def _fine_picture(picture: np.ndarray, mask: Tensor) -> Tensor:
    """``[1, 4, S, S]``: the head's colours in [-1, 1] and its mask, from uint8 ``picture [S, S, 3]`` and a mask ``[1, 1, H, W]`` of any
    size, whose edge follows the picture's where that is finer. A picture of less than ``LEAST_PICTURE`` is enlarged."""
    side = picture.shape[0]
    colours = torch.from_numpy(np.array(picture, order="C")).permute(2, 0, 1)[None].float() / 127.5 - 1
    if side < LEAST_PICTURE:
        side = LEAST_PICTURE
        colours = F.interpolate(colours, (side, side), mode="bicubic", antialias=True, align_corners=False).clamp(-1, 1)
    fine = resized(mask, side)
    if side > mask.shape[-1]:
        fine = torch.from_numpy(follow_edges(to_uint8(colours), fine[0, 0].numpy()))[None, None].float()
    return torch.cat([clean_foreground(colours, fine), fine], 1)


def clean_foreground(picture: Tensor, mask: Tensor) -> Tensor:
    """``picture [1, 3, S, S]`` with the head's own colours where the ``mask [1, 1, S, S]`` is soft and the background shines through
    (one round of blur fusion: Forte, arXiv 2006.14970)."""
    width = round(picture.shape[-1] / 40) * 2 + 1
    front, back = mean_within(picture, mask, width), mean_within(picture, 1 - mask, width)
    return (front + mask * (picture - mask * front - (1 - mask) * back)).clamp(-1, 1)


def blurred_backdrop(image: Tensor, mask: Tensor, side: int = 16) -> Tensor:
    """``[1, 3, side, side]``: the mean colours of what the mask ``[1, 1, H, W]`` leaves out, grown into where the head was."""
    seen = (1 - mask).clamp(0, 1) ** 4  # the soft edge belongs to the head
    total, share = F.adaptive_avg_pool2d(image * seen, side), F.adaptive_avg_pool2d(seen, side)
    out, known = torch.ones_like(total), torch.zeros_like(share)
    for width in (1, 3, 7, 15, 31):  # the nearest first
        around, weight = (F.avg_pool2d(x, width, 1, width // 2) for x in (total, share))
        new = (known == 0) & (weight > 1e-3)
        out = torch.where(new, around / weight.clamp(min=1e-6), out)
        known = torch.where(new, torch.ones_like(known), known)
    return F.avg_pool2d(F.pad(out, (1,) * 4, mode="replicate"), 3, 1)
