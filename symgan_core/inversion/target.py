"""What an inversion aims at: the photo on the generator's background, its mask, its camera."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import RequestError
from ..faces import follow_edges
from ..generator import Synthesized, TriPlaneGenerator
from ..geometry import Camera, mirror_image, mirror_weight
from ..geometry.images import mean_within, resized, to_uint8, widened
from .parts import PartsShown

CRUMB = 0.25
"""Least of a mask that holds its pieces together."""
FAR = 0.07
"""Hair stands no farther from the generator's head than so many picture widths."""
GRAZING = 0.3
"""Cosine between surface and sight below which nothing is painted: the least error of an outline would draw it far along the surface."""
TURNED_AWAY = 0.42
"""Cosine between surface and sight below which another class is not painted."""
LEAST_PICTURE = 512
"""Least side, in pixels, of the picture whose detail is kept."""
SHADED = 0.01
"""Along a body the head is in its shade, or the reading of its edge is off, for so many picture widths."""


@dataclass(frozen=True, eq=False)
class Target:
    """``image [1, 3, H, W]`` in [-1, 1], ``mask [1, 1, H, W]`` in [0, 1] or None, ``camera [1, 25]``.

    ``matte``: the generator leaves the background empty, so that its opacity has to be the mask.
    ``body [1, 1, H, W]`` in [0, 1]: which of the mask is below the head (neck, shoulders, clothing), or None if nobody knows.
    ``loose [1, 1, H, W]`` in [0, 1]: which of it hangs beside face and neck, as hair does, or None.
    ``hair`` and ``skin [1, 1, H, W]`` in [0, 1]: which of it is hair, and which is the face's skin, or None.
    ``foreign [1, 1, H, W]`` in {0, 1}: where the photo shows something else than the generator's surface there is, or None: not to be
    painted on that.
    ``beyond [1, 1, H, W]`` in {0, 1}: where the head goes on outside of the photo, or None: nowhere. The mask has nothing there, and the
    image is a guess to read from, not to learn.
    ``outside``: the share of the frame that lies outside of the photo.
    ``picture [1, 4, S, S]``: the head's colours in [-1, 1] and its mask in [0, 1], as fine as the photo has them, or None.
    ``backdrop [1, 3, S, S]``: what was behind the head, as a few blots of colour, or None.
    """

    image: Tensor
    mask: Tensor | None
    camera: Tensor
    matte: bool = True
    body: Tensor | None = None
    loose: Tensor | None = None
    foreign: Tensor | None = None
    backdrop: Tensor | None = None
    beyond: Tensor | None = None
    picture: Tensor | None = None
    hair: Tensor | None = None
    skin: Tensor | None = None
    outside: float = 0.0

    def mirrored(self) -> Target:
        """The flipped photo at the mirrored camera."""
        maps = {name: getattr(self, name) for name in ("mask", "body", "loose", "foreign", "beyond", "picture", "hair", "skin")}
        maps = {name: None if x is None else mirror_image(x) for name, x in maps.items()}
        camera = Camera.from_vector(self.camera).mirror().vector()
        return replace(self, image=mirror_image(self.image), camera=camera, **maps)

    def with_camera(self, camera: Tensor) -> Target:
        """The same photo seen from another camera."""
        return replace(self, camera=camera)

    @property
    def dressed(self) -> bool:
        """Whether it is known what of the head's picture is its body, and that may be left out."""
        return self.mask is not None and self.body is not None and self.matte

    @property
    def told(self) -> Tensor | None:
        """The mask of what the photo tells of the generator's head."""
        return self.mask if self.foreign is None else self.mask * (1 - self.foreign)

    def as_a_bust(self, parts: PartsShown, reach: float = 0.01) -> Target:
        """Without what of the body lies elsewhere than where the generator shows one.

        A prior of heads has no shoulders: what it would have to make up there stands in the room as a board. And a collar beside the jaw
        is not to be painted onto the jaw.

        Args:
            parts: of the generator's view. The photo's body stays within ``reach`` picture widths of its body (what goes farther has
                nothing solid beside it and comes to hang before the throat), and where it is solid so far around.
        """
        if not self.dressed:
            return self
        shown, body = (_decided(x, self.mask.shape[-1]) for x in (parts.opacity, parts.body))
        within = 1 - _widened(1 - shown, reach)
        foreign = _widened((self.body > 0.5).float(), SHADED) * shown * (1 - body)
        if self.hair is not None and self.skin is not None:
            foreign = torch.maximum(foreign, self._of_another_class(parts))
        grazing = (resized(parts.facing, self.mask.shape[-1]) < GRAZING) & (shown > 0.5)
        foreign = torch.maximum(foreign, grazing.float())
        bust = replace(self._without(self.body, torch.maximum(_widened(shown * body, reach), within)), foreign=foreign)
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

    def without_strays(self, parts: PartsShown, reach: float = 0.08) -> Target:
        """Without what hangs beside face and neck where the generator has no hair anywhere near.

        A window's frame or another head beside the neck is taken for long hair; the haircut that is chosen for all of the head says better
        whether there is any. What stays of it would be a board in the room, and while it is in the mask, it pulls the jaw wide.

        Args:
            parts: of the generator's view. What is loose in the photo stays within ``reach`` picture widths of its hair, and where it is
                solid.
        """
        if self.mask is None or self.loose is None or not self.matte:
            return self
        shown, hair = (_decided(x, self.mask.shape[-1]) for x in (parts.opacity, parts.hair))
        return self._without(self.loose, torch.maximum(shown, _widened(shown * hair, reach)))

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
    return target.mask is not None and target.matte and generator.superresolution is None


def _decided(share: Tensor, size: int) -> Tensor:
    """``[1, 1, R, R]`` in [0, 1] to ``[1, 1, size, size]`` in {0, 1}."""
    return (F.interpolate(share, (size, size), mode="bilinear", align_corners=False) > 0.5).float()


def _widened(area: Tensor, reach: float) -> Tensor:
    """``area [1, 1, H, W]`` and what is within ``reach`` picture widths of it."""
    return widened(area, round(reach * area.shape[-1]))


def make_target(crop: np.ndarray, camera: Tensor | np.ndarray, mask: np.ndarray | None, generator: TriPlaneGenerator,
                body: np.ndarray | None = None, inside: np.ndarray | None = None, loose: np.ndarray | None = None,
                picture: np.ndarray | None = None, hair: np.ndarray | None = None, skin: np.ndarray | None = None) -> Target:
    """Check and prepare the inputs of ``invert_crop``.

    Args:
        body: float ``[*, *]`` in [0, 1], of any size: which pixels show neck, shoulders or clothing.
        inside: bool ``[*, *]``: which pixels lie within the photo; by default all do.
        loose: float ``[*, *]`` in [0, 1]: which pixels show what hangs beside face and neck.
        picture: uint8 ``[S, S, 3]``: the crop in a higher resolution; by default the crop itself.
        hair, skin: float ``[*, *]`` in [0, 1]: which pixels show hair, and the face's skin.

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
    image = torch.from_numpy(np.array(crop, order="C")).permute(2, 0, 1)[None].float() / 127.5 - 1
    image = F.interpolate(image, size, mode="bilinear", antialias=True, align_corners=False)
    soft = backdrop = fine = None
    if mask is not None:
        mask = np.asarray(mask)
        if mask.shape != crop.shape[:2]:
            raise RequestError(f"The mask has shape {mask.shape}, the crop {crop.shape[:2]}.", "Give a mask of the crop's size.")
        soft = torch.from_numpy(np.array(mask, order="C"))[None, None].float() / 255
        fine = _fine_picture(crop if picture is None else picture, soft)
        soft = F.interpolate(soft, size, mode="bilinear", antialias=True, align_corners=False)
        if generator.config.white_back:
            backdrop = blurred_backdrop(image, soft)
            # The generator knows heads on white; a photo's background would be painted onto the sides of the head.
            image = image * soft + (1 - soft)
    outside, share = None, 0.0 if inside is None else float(1 - inside.mean())
    if inside is not None and not inside.all():
        outside = F.interpolate(torch.from_numpy(~inside)[None, None].float(), size, mode="nearest")
        if soft is not None:
            within = 1 - outside
            if generator.config.white_back:  # where the border shows background, nothing of the head is cut off
                # Dark hair before a dark wall is lost in masks.
                shown = soft if hair is None else torch.maximum(soft, _as_large(hair, size))
                empty = outside * (shown <= 0.5)
                image, outside = torch.where(empty > 0, torch.ones_like(image), image), outside - empty
            soft, fine[:, 3:] = soft * within, fine[:, 3:] * F.interpolate(within, fine.shape[-2:], mode="nearest")
    maps = (None if x is None else _as_large(x, size) for x in (body, loose, hair, skin))
    parts = (image, soft, camera[None], backdrop, outside, fine, *maps)
    image, soft, camera, backdrop, outside, fine, below, beside, hair, skin = (None if x is None else x.to(generator.device) for x in parts)
    return Target(image, soft, camera, generator.config.white_back, below, beside, backdrop=backdrop, beyond=outside, picture=fine,
                  hair=hair, skin=skin, outside=share)


def _as_large(share: np.ndarray, size: tuple[int, int]) -> Tensor:
    """float ``[h, w]`` as ``[1, 1, *size]``."""
    return F.interpolate(torch.from_numpy(share)[None, None].float(), size, mode="bilinear", align_corners=False)


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


def completed(image: Tensor, mask: Tensor | None, drawn: Tensor, opacity: Tensor | None,
              beyond: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """What to compare with: the photo ``image [1, 3, H, W]`` and its ``mask [1, 1, H, W]``, but ``beyond [1, 1, H, W]`` it the render
    itself (``drawn [1, 3, H, W]``, ``opacity [1, 1, R, R]``)."""
    if beyond is None:
        return image, mask
    image = torch.where(beyond > 0.5, drawn.detach(), image)
    if mask is not None:
        size = mask.shape[-2:]
        mask = torch.where(beyond > 0.5, F.interpolate(opacity.detach(), size, mode="bilinear", align_corners=False), mask)
    return image, mask


def opacity_difference(out: Synthesized, target: Target) -> Tensor:
    """Mean squared difference of the rendered opacity and the mask (0 without a mask): keeps the background out of the head.

    EG3D's own generators render the background as part of the volume; there it is 0 too.
    """
    if target.mask is None or not target.matte:
        return out.image.new_zeros(())
    mask = F.interpolate(target.mask, out.image_opacity.shape[-2:], mode="area")
    return (out.image_opacity - mask).square().mean()


def to_preview(out: Synthesized, generator: TriPlaneGenerator) -> np.ndarray:
    """uint8 ``[H, W, 3]`` of the image's full size, however coarse the look was."""
    size = (generator.config.image_resolution,) * 2
    return to_uint8(F.interpolate(out.image.detach(), size, mode="bilinear", align_corners=False))
