"""The pictures whose detail a finished head shows: the photo's head, and its mirror image in the light of the other side."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ...faces import shares_of
from ...generator import Head, Synthesized
from ...geometry import Camera, facing, mirror_image
from ...geometry.images import box_mean, eroded, resized, smooth_step, widened
from ...geometry.warp import sample_image
from ...portrait.detail import DetailPicture
from ..target.target import Target
from ..views.symmetry import compare_with_mirror
from ..views.warping import PhotoWarp
from .light import Light, fit_lamp
from .mirror_alignment import mirror_field, warped

RIM = 3
"""Pixels of the target beside the head's outline that are shown near the photo's camera alone."""
SOFT = 5
"""Width of the soft border of what may be shown from other sides, in pixels of the target."""
SEAM = 9
"""Pixels over which the photo gives way to what goes on beyond its border."""
FAR = 1
"""Half the width, in pixels of the target, from which on a rendered head beside the photo's is no matter of its rim."""
LEAST_HAIR = 0.3
"""Share of hair from which on the head has hair beyond the photo's border: seen from its outline alone, it is never sure."""
SQUARE = (0.25, 0.45)
"""Cosines to the surface: what the mirrored photo shows at less than the first is not used, at more than the second it is."""


@torch.no_grad()
def detail_pictures(head: Head, target: Target, warping: PhotoWarp, light: Light | None = None) -> tuple[DetailPicture, ...]:
    """The photo, and its mirror image, where the method uses that and the photo is taken from one side.

    Args:
        head: the finished one.
        target: at the camera that was found.
        light: where it is known; else it is fitted to the photo.
    """
    if target.picture is None or target.mask is None:
        return ()
    view = head.view(target.camera)
    depth = resized(view.image_depth, head.generator.config.draft_resolution)
    photo = _photo(view, target)
    pictures = [photo]
    if warping.mirror is not None and target.mirror_weight > 0:
        field = mirror_field(head.generator, head.ws, target) if target.white_background else None
        pictures.append(_mirrored(photo, depth, target, warping, light, field))
    return tuple(pictures)


def _photo(view: Synthesized, target: Target) -> DetailPicture:
    """The photo on white. Beyond its border the head goes on as the ``view`` has it, and hair as the photo's reflection."""
    colours, mask = target.picture.split((3, 1), 1)
    image, size = colours * mask + (1 - mask), colours.shape[-1]
    trust = _inner(target)
    drawn, opacity = (resized(x, size) for x in (view.image, view.image_opacity))
    if target.out_of_frame is not None:
        beyond = F.interpolate(target.out_of_frame, (size, size), mode="nearest")
        if target.hair is not None:
            place, there = reflected_places(beyond), resized(shares_of(view.image, ("hair",))[0], size)
            known = _without_rim((target.hair > 0.5) * trust, target.out_of_frame)
            hair = ((sample_image(known, place) > 0.5) & (there > LEAST_HAIR)).float()
            drawn = torch.lerp(drawn, sample_image(colours, place), box_mean(hair, SOFT))
            trust = torch.maximum(trust, target.out_of_frame * F.interpolate(hair, trust.shape[2:], mode="area"))
        beyond = torch.maximum(beyond, (2 * box_mean(beyond, SEAM)).clamp(max=1))
        image, mask = torch.lerp(image, drawn, beyond), torch.lerp(mask, opacity, beyond)
    wider = (opacity - mask).clamp(min=0) * _far_beside(mask, opacity, trust.shape[-1])
    return DetailPicture(image + wider * (drawn - 1), mask + wider, box_mean(trust, SOFT), target.camera)


def _far_beside(mask: Tensor, opacity: Tensor, side: int) -> Tensor:
    """1 where the head as rendered goes far beyond the photo's, and a little around: the outline is drawn on it, for on white it would be a
    line across the head. Both ``[1, 1, S, S]``; ``side``: of the target."""
    beside = F.interpolate(((opacity > 0.5) & (mask < 0.5)).float(), (side, side), mode="area")
    return F.interpolate(widened(eroded((beside > 0.5).float(), FAR), 6 * FAR), mask.shape[-2:], mode="nearest")


def _inner(target: Target) -> Tensor:
    """``[1, 1, H, W]`` in {0, 1}: supervised pixels of the head, without its rim."""
    return _without_rim((target.supervised_mask > 0.9).float(), target.out_of_frame)


def _without_rim(mask: Tensor, beyond: Tensor | None) -> Tensor:
    """``mask [1, 1, H, W]`` without its rim; the photo's border, to what is ``beyond [1, 1, H, W]``, is no rim."""
    return eroded(mask, RIM) if beyond is None else eroded(torch.maximum(mask, beyond), RIM) * (1 - beyond)


def reflected_places(beyond: Tensor) -> Tensor:
    """``[1, H, W, 2]`` in [0, 1]: for each pixel that lies ``beyond [1, 1, H, W]`` the photo, the place that is its reflection at the
    nearest point of the photo's border; for all others their own."""
    from scipy.ndimage import distance_transform_edt

    _, nearest = distance_transform_edt(beyond[0, 0].cpu().numpy() > 0.5, return_indices=True)
    own = np.stack(np.indices(nearest.shape[1:]))
    row, column = 2 * nearest - own
    places = np.stack([(column + 0.5) / own.shape[2], (row + 0.5) / own.shape[1]], -1)
    return torch.from_numpy(places)[None].float().to(beyond)


def _mirrored(photo: DetailPicture, depth: Tensor, target: Target, warping: PhotoWarp, light: Light | None,
              field: Tensor | None) -> DetailPicture:
    """The mirrored photo in the light of the other side, where it is seen squarely.

    What contradicts it, the photo itself shows: there this picture is not asked.
    """
    if warping.mirror.match_light and light is None:
        light = fit_lamp(target, depth, compare_with_mirror(target, depth, warping.tolerance, warping.grazing))
    camera = Camera.from_vector(target.camera).mirror().vector()
    image, mask = mirror_image(photo.image), mirror_image(photo.mask)
    if warping.mirror.match_light:
        image = light.relit(image, camera, mirror_image(depth)) * mask + 1 - mask
    trust = box_mean(_inner(target), SOFT) * smooth_step(resized(facing(depth, target.camera), target.image.shape[-1]), *SQUARE)
    parts = image, mask, mirror_image(trust)
    return DetailPicture(*(x if field is None else warped(x, field) for x in parts), camera, fine=True)
