"""What an inversion aims at: the photo on the generator's background, its mask, its camera."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ...generator import Synthesized, TriPlaneGenerator
from ...geometry import Camera, mirror_image, mirror_weight
from ...geometry.images import resized, to_uint8, widened
from .parts import PartsShown

CRUMB = 0.25
"""Least of a mask that holds its pieces together."""
FAR = 0.07
"""Hair stands no farther from the generator's head than so many picture widths."""
GRAZING = 0.3
"""Cosine between surface and sight below which nothing is painted: the least error of an outline would draw it far along the surface."""
TURNED_AWAY = 0.42
"""Cosine between surface and sight below which another class is not painted."""
SHADED = 0.01
"""Along a body the head is in its shade, or its edge is read wrong, for so many picture widths."""


@dataclass(frozen=True, eq=False)
class Target:
    """The photo in the generator's frame, and what is known of it.

    Attributes:
        image: ``[1, 3, H, W]`` in [-1, 1].
        mask: ``[1, 1, H, W]`` in [0, 1]: the head, or None.
        camera: ``[1, 25]``.
        white_background: the generator leaves the background empty, so that its opacity has to be the mask.
        body: ``[1, 1, H, W]`` in [0, 1]: which of the mask is neck, shoulders or clothing, or None where it is not known.
        hair_candidates: ``[1, 1, H, W]`` in [0, 1]: what hangs beside face and neck, as hair does, or None.
        occluder_mask: ``[1, 1, H, W]`` in {0, 1}: where the photo shows something else than the generator's surface there: not to be
            painted on that. None: nowhere.
        backdrop: ``[1, 3, S, S]``: what was behind the head, as a few blots of colour, or None.
        out_of_frame: ``[1, 1, H, W]`` in {0, 1}: where the head goes on outside of the photo, or where masks disagree whether it is
            there; None: nowhere. The image is a guess to read from there, not to learn.
        picture: ``[1, 4, S, S]``: the head's colours in [-1, 1] and its mask in [0, 1], as fine as the photo has them, or None.
        hair, skin: ``[1, 1, H, W]`` in [0, 1]: which of the mask is hair, and which is the face's skin, or None.
        outside: the share of the frame that lies outside of the photo.
    """

    image: Tensor
    mask: Tensor | None
    camera: Tensor
    white_background: bool = True
    body: Tensor | None = None
    hair_candidates: Tensor | None = None
    occluder_mask: Tensor | None = None
    backdrop: Tensor | None = None
    out_of_frame: Tensor | None = None
    picture: Tensor | None = None
    hair: Tensor | None = None
    skin: Tensor | None = None
    outside: float = 0.0

    def mirrored(self) -> Target:
        """The flipped photo at the mirrored camera."""
        names = ("mask", "body", "hair_candidates", "occluder_mask", "out_of_frame", "picture", "hair", "skin")
        maps = {name: mirror_image(getattr(self, name)) for name in names if getattr(self, name) is not None}
        camera = Camera.from_vector(self.camera).mirror().vector()
        return replace(self, image=mirror_image(self.image), camera=camera, **maps)

    def with_camera(self, camera: Tensor) -> Target:
        """The same photo seen from another camera."""
        return replace(self, camera=camera)

    @property
    def has_body_mask(self) -> bool:
        """Whether it is known what of the mask is body, and that may be left out."""
        return self.mask is not None and self.body is not None and self.white_background

    @property
    def supervised_mask(self) -> Tensor | None:
        """Head mask minus occluded pixels; supervises the render."""
        return self.mask if self.occluder_mask is None else self.mask * (1 - self.occluder_mask)

    def clip_torso(self, parts: PartsShown, reach: float = 0.01) -> Target:
        """The photo without the parts of its body that lie where the generator shows none.

        A prior of heads has no shoulders: what it would have to make up there stands in the room as a board. And a collar beside the jaw
        is not to be painted onto the jaw.

        Args:
            parts: of the generator's view. The photo's body stays within ``reach`` picture widths of its body (what goes farther has
                nothing solid beside it and comes to hang before the throat), and where it is solid so far around.
        """
        if not self.has_body_mask:
            return self
        shown, body = (_decided(x, self.mask.shape[-1]) for x in (parts.opacity, parts.body))
        within = 1 - _widened(1 - shown, reach)
        occluder = _widened((self.body > 0.5).float(), SHADED) * shown * (1 - body)
        if self.hair is not None and self.skin is not None:
            occluder = torch.maximum(occluder, self._of_another_class(parts))
        grazing = (resized(parts.facing, self.mask.shape[-1]) < GRAZING) & (shown > 0.5)
        occluder = torch.maximum(occluder, grazing.float())
        bust = replace(self._without(self.body, torch.maximum(_widened(shown * body, reach), within)), occluder_mask=occluder)
        bust = bust._largest_piece()
        # The picture keeps what is far from all that the generator has; as matter it would be a board beside the head.
        return replace(bust, mask=bust.mask * _widened(shown, FAR))

    def _largest_piece(self) -> Target:
        """Without crumbs: what is left of a collar beside the head."""
        from scipy.ndimage import label

        pieces, count = label((self.mask[0, 0] > CRUMB).cpu().numpy())
        if count < 2:
            return self
        largest = torch.from_numpy(pieces == np.bincount(pieces.ravel())[1:].argmax() + 1)[None, None].to(self.mask)
        return self._without(torch.ones_like(self.mask), _widened(largest, SHADED))

    def _of_another_class(self, parts: PartsShown) -> Tensor:
        """``[1, 1, H, W]`` in {0, 1}: where the photo shows hair and the generator skin, or the other way, on a surface that turns away.

        There a strip of hair that hangs beside a cheek would be drawn far along it. On what is seen squarely it is a fringe or a parting,
        and to be painted.
        """
        size = self.mask.shape[-1]
        hair, skin, facing = (resized(x, size) for x in (parts.hair, parts.skin, parts.facing))
        other = ((self.hair > 0.5) & (skin > 0.5)) | ((self.skin > 0.5) & (hair > 0.5))
        return _widened((other & (facing < TURNED_AWAY)).float(), SHADED)

    def remove_unsupported_hair(self, parts: PartsShown, reach: float = 0.08) -> Target:
        """The photo without what hangs beside face and neck where the generator has no hair anywhere near.

        A window's frame or another head beside the neck is taken for long hair; the haircut that is chosen for all of the head says better
        whether there is any. What stays of it would be a board in the room, and while it is in the mask, it pulls the jaw wide.

        Args:
            parts: of the generator's view. What is loose in the photo stays within ``reach`` picture widths of its hair, and where it is
                solid.
        """
        if self.mask is None or self.hair_candidates is None or not self.white_background:
            return self
        shown, hair = (_decided(x, self.mask.shape[-1]) for x in (parts.opacity, parts.hair))
        return self._without(self.hair_candidates, torch.maximum(shown, _widened(shown * hair, reach)))

    def _without(self, share: Tensor, near: Tensor) -> Target:
        """Without the ``share [1, 1, H, W]`` of the photo but where it is ``near [1, 1, H, W]`` (in {0, 1}) what the generator shows."""
        soft = round(self.mask.shape[-1] / 100) * 2 + 1
        near = F.avg_pool2d(near, soft, 1, soft // 2, count_include_pad=False)
        keep = 1 - ((share - 0.3) / 0.3).clamp(0, 1) * (1 - near)
        picture = self.picture
        if picture is not None:
            picture = torch.cat([picture[:, :3], picture[:, 3:] * resized(keep, picture.shape[-1])], 1)
        return replace(self, image=self.image * keep + (1 - keep), mask=self.mask * keep, picture=picture)

    def input_picture(self, size: int) -> np.ndarray:
        """uint8 ``[size, size, 4]``: the photo in the generator's frame; alpha is the head within the photo, 255 without a mask."""
        picture = self.picture
        if picture is None:
            mask = torch.ones_like(self.image[:, :1]) if self.mask is None else self.mask
            picture = torch.cat([self.image, mask], 1)
        picture = F.interpolate(picture, (size, size), mode="bilinear", antialias=True, align_corners=False)
        return np.concatenate([to_uint8(picture[:, :3]), to_uint8(picture[:, 3:] * 2 - 1)], 2)

    @property
    def mirror_weight(self) -> float:
        """SPI's weight of the mirrored view at this yaw."""
        return mirror_weight(Camera.from_vector(self.camera.detach()).yaw_pitch()[0])


def takes_colours(generator: TriPlaneGenerator, target: Target) -> bool:
    """Whether the photo's colours can be put on the head itself: what is head is known, and no super-resolution draws the colours anew."""
    return target.mask is not None and target.white_background and generator.superresolution is None


def _decided(share: Tensor, size: int) -> Tensor:
    """``[1, 1, R, R]`` in [0, 1] to ``[1, 1, size, size]`` in {0, 1}."""
    return (F.interpolate(share, (size, size), mode="bilinear", align_corners=False) > 0.5).float()


def _widened(area: Tensor, reach: float) -> Tensor:
    """``area [1, 1, H, W]`` and what is within ``reach`` picture widths of it."""
    return widened(area, round(reach * area.shape[-1]))


def fill_from_render(image: Tensor, mask: Tensor | None, drawn: Tensor, opacity: Tensor | None,
                     out_of_frame: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """What to compare with: the photo ``image [1, 3, H, W]`` and its ``mask [1, 1, H, W]``, but ``out_of_frame [1, 1, H, W]`` the render
    itself (``drawn [1, 3, H, W]``, ``opacity [1, 1, R, R]``)."""
    if out_of_frame is None:
        return image, mask
    image = torch.where(out_of_frame > 0.5, drawn.detach(), image)
    if mask is not None:
        size = mask.shape[-2:]
        mask = torch.where(out_of_frame > 0.5, F.interpolate(opacity.detach(), size, mode="bilinear", align_corners=False), mask)
    return image, mask


def to_preview(out: Synthesized, generator: TriPlaneGenerator) -> np.ndarray:
    """uint8 ``[H, W, 3]`` of the image's full size, however coarse the render was."""
    size = (generator.config.image_resolution,) * 2
    return to_uint8(F.interpolate(out.image.detach(), size, mode="bilinear", align_corners=False))
