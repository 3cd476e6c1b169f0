"""The photo's own detail, added to each view of the head at render time.

Planes of 256 texels a side show no pores and no single hairs. What a picture of the head (the photo, or its mirror image) shows beyond
the render at its camera is kept. For a new view each pixel is unprojected by the view's own depth and looked up in that difference, where
the picture saw the same surface, and not at a grazing angle (image-based rendering: Debevec et al. 1996, Buehler et al. 2001). No network
and no optimisation: a view costs one warp a picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..generator import Synthesized
from ..geometry import Camera, project, surface_normals, unproject
from ..geometry.images import box_mean, eroded, mean_within, resized, smooth_step, spread, widened
from ..geometry.warp import sample_image
from .materials import Material

TOLERANCE = (0.012, 0.03)
"""World units: depths that differ by less than the first are of one surface, by more than the second of two."""
STRETCH = (0.4, 0.75)
"""A picture that has less than the first share of a view's pixels on a surface is not shown there, with more than the second wholly."""
NEAR = 7.0
"""Degrees between two sights within which outlines may be shown as the picture has them (width of a Gaussian)."""
LUMPS = 17
"""Width, in pixels of ``MAP``, of the means over which that is judged: hair is lumpy, and what is shown of it is not to be torn."""
SAME_OPACITY = (0.15, 0.4)
"""Opacities of view and picture that differ by less than the first are alike, by more than the second not at all."""
MAP = 256
"""Weights are computed at this resolution."""
FADE = 4
"""Half width of the soft border of what is shown from everywhere, in pixels of ``MAP``."""
CLEARED = 3
"""Pixels of ``MAP`` beside a picture's head where its camera sees none either, though the rendered head may be a little wider."""
REACH = 12
"""Hair that the render lacks may stand so many pixels of ``MAP`` beside its outline."""
SEEN, MIRRORED, INVENTED = 1, 2, 3
"""Where what a view shows comes from: the photo, its mirror image, or the generator alone."""
COARSE = 1 / 7
"""Of a picture that lends its fine detail alone, what is wider than this share of its side is left to the render."""

Render = Callable[[Tensor], Synthesized]
"""What a camera ``[1, 25]`` sees of the head, without detail."""
PullBack = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Points ``[..., 3]`` of an edited head to where they were on the head that the pictures show, and how far these show them, ``[..., 1]`` in
[0, 1]."""


@dataclass(frozen=True, eq=False)
class DetailPicture:
    """A picture of the head.

    Attributes:
        image: ``[1, 3, S, S]`` in [-1, 1], on white beyond the head.
        mask: ``[1, 1, S, S]`` in [0, 1]: the head.
        trust: ``[1, 1, T, T]`` in [0, 1]: what may be shown from other sides. The rest, outlines above all, is shown near the camera alone.
        camera: ``[1, 25]``.
        fine: only what is finer than ``COARSE`` is lent, and from other sides alone.
    """

    image: Tensor
    mask: Tensor
    trust: Tensor
    camera: Tensor
    fine: bool = False

    def to(self, device: torch.device) -> DetailPicture:
        """The same on another device."""
        return DetailPicture(self.image.to(device), self.mask.to(device), self.trust.to(device), self.camera.to(device), self.fine)


@dataclass(frozen=True, eq=False)
class _Residual:
    """What a picture shows beyond the render: ``levels [1, 4, S, S]`` (colour and opacity), each half the size of the one before;
    ``depth`` and ``opacity [1, 1, MAP, MAP]`` of the render, the depth going on beside the outline; and the shares ``[1, 1, MAP, MAP]``
    of what is shown from everywhere (``trust``) and near the camera (``head``)."""

    levels: tuple[Tensor, ...]
    depth: Tensor
    opacity: Tensor
    trust: Tensor
    head: Tensor
    camera: Tensor
    pixels: float
    """Focal length in pixels of the first level."""


class Detail:
    """Adds the detail of pictures to views of one head.

    Args:
        pictures: the best first: where it is shown, the next are not.
        render: of the head that the pictures show.
        on_white: the generator leaves the background white; else it renders one, which stays as it is.
        materials: of hair and skin that none of the pictures shows.
    """

    @torch.no_grad()
    def __init__(self, pictures: Sequence[DetailPicture], render: Render, on_white: bool = True, materials: Sequence[Material] = ()):
        self._materials = tuple(materials)
        self._residuals = [_residual(picture, render(picture.camera), on_white) for picture in pictures]

    @torch.no_grad()
    def at_points(self, colours: Tensor, points: Tensor, normals: Tensor, shown: Tensor) -> Tensor:
        """``colours [P, 3]`` in [0, 1] of a surface, with detail, at ``points [P, 3]`` with unit ``normals [P, 3]``, of which the pictures
        show a share ``shown [P, 1]``."""
        out, left = colours, shown
        for residual in self._residuals:
            uv, distance = project(points[None, None], residual.camera)
            apart = (sample_image(residual.depth, uv)[0, 0, 0] - distance[0, 0]).abs()
            sight = F.normalize(Camera.from_vector(residual.camera).position() - points, dim=-1)
            weight = (1 - smooth_step(apart, *TOLERANCE)) * smooth_step((normals * sight).sum(-1), *STRETCH)
            weight = (weight * sample_image(residual.trust, uv)[0, 0, 0] * ((uv > 0) & (uv < 1)).all(-1)[0, 0])[:, None] * left
            left = left * (1 - weight)
            out = out + weight * sample_image(residual.levels[-1], uv)[0, :3, 0].T / 2
        for material in self._materials:
            out = material.drawn(out, points, torch.ones_like(left[:, 0]), left[:, 0] * material.share(points))
        return out.clamp(0, 1)

    @torch.no_grad()
    def added_to(self, view: Synthesized, camera: Tensor, pull_back: PullBack | None = None) -> Synthesized:
        """The view of ``camera [1, 25]`` with detail; image, depth and opacity keep their sizes.

        Args:
            pull_back: of an edited head.
        """
        size = view.image.shape[-1]
        coarse, opacity = _surface(view)
        depth = resized(view.image_depth, size)
        depth = torch.where(resized(view.image_opacity, size) > 0.5, depth, resized(coarse, size))
        points, places = unproject(depth, camera), unproject(coarse, camera)
        normals = surface_normals(coarse, camera).permute(0, 2, 3, 1)
        image, alpha, left = view.image, view.image_opacity, torch.ones_like(coarse)
        if pull_back is not None:
            came, shown = pull_back(places)
            points = points + resized((came - places).permute(0, 3, 1, 2), size).permute(0, 2, 3, 1)
            places, left = came, shown.permute(0, 3, 1, 2)
        for residual in self._residuals:
            weight = _weight(residual, places, normals, camera, opacity) * left
            left = left * (1 - weight)
            if not weight.any():
                continue
            uv, _ = project(points, residual.camera)
            finer = residual.pixels / (size * float(Camera.from_vector(camera).intrinsics[0, 0, 0]))
            level = residual.levels[min(max(round(math.log2(finer)), 0), len(residual.levels) - 1)]
            beyond = sample_image(level, uv, "bicubic") * resized(weight, size)
            image, alpha = image + beyond[:, :3], alpha + resized(beyond[:, 3:], alpha.shape[-1])
        sight = F.normalize(Camera.from_vector(camera).position() - places, dim=-1)
        facing = (normals * sight).sum(-1)[:, None]
        for material in self._materials:
            share = box_mean(eroded(left * material.share(places)[:, None], FADE // 2), FADE + 1) * (opacity > 0.9)
            image = _with_material(material, image, points, torch.cat([facing, share], 1))
        return view._replace(image=image.clamp(-1, 1), image_opacity=alpha.clamp(0, 1))

    @torch.no_grad()
    def sources(self, view: Synthesized, camera: Tensor, pull_back: PullBack | None = None) -> Tensor:
        """Where each pixel of the view of ``camera [1, 25]`` comes from, ``[1, 1, MAP, MAP]`` uint8: SEEN, MIRRORED or INVENTED, 0 where
        there is no head. SEEN and MIRRORED are surfaces that the photo and the mirrored photo show, and not at a grazing angle.

        Args:
            pull_back: of an edited head.
        """
        depth, opacity = _surface(view)
        places, normals = unproject(depth, camera), surface_normals(depth, camera).permute(0, 2, 3, 1)
        shown = torch.ones_like(depth)
        if pull_back is not None:
            places, shown = pull_back(places)
            shown = shown.permute(0, 3, 1, 2)
        solid = opacity > 0.5
        out = INVENTED * solid.byte()
        for residual in reversed(self._residuals):
            mirrored = not residual.head.any()
            uv, same, _, squarely = _same_surface(residual, places, normals, camera, opacity)
            within = sample_image(residual.trust if mirrored else residual.head, uv)
            out[solid & (same * squarely * within * shown > 0.25)] = MIRRORED if mirrored else SEEN
        return out


def _with_material(material: Material, image: Tensor, points: Tensor, maps: Tensor) -> Tensor:
    """``image [1, 3, S, S]`` in [-1, 1] of surfaces at ``points [1, S, S, 3]``, of which some is drawn anew; ``maps [1, 2, MAP, MAP]``: at
    which cosine a surface is seen, and which share of it is drawn."""
    facing, share = resized(maps, image.shape[-1])[0]
    there, out = share > 0, image.clone()
    out[0, :, there] = material.drawn(image[0, :, there].T / 2 + 0.5, points[0, there], facing[there], share[there]).T * 2 - 1
    return out


def _residual(picture: DetailPicture, render: Synthesized, on_white: bool) -> _Residual:
    size = picture.image.shape[-1]
    drawn = F.interpolate(render.image, (size, size), mode="bicubic", align_corners=False)
    if on_white:
        beyond = torch.cat([picture.image - drawn, picture.mask - resized(render.image_opacity, size)], 1)
    else:
        own = picture.image - (1 - picture.mask)  # the head alone, times its mask
        beyond = torch.cat([own - drawn * picture.mask, torch.zeros_like(picture.mask)], 1)
    depth, opacity = _surface(render)
    trust = resized(picture.trust, MAP) * (opacity > 0.9)
    head = widened((F.interpolate(picture.mask, (MAP, MAP), mode="area") > 0.02).float(), CLEARED)
    if picture.fine:
        inner, width = resized(trust, size), round(size * COARSE) // 2 * 2 + 1
        wide = mean_within(mean_within(beyond, inner, width), (inner > 0).float(), width)
        beyond = torch.cat([(beyond - wide)[:, :3], torch.zeros_like(beyond[:, 3:])], 1)
        head = torch.zeros_like(head)
    levels = [beyond]
    while levels[-1].shape[-1] >= 2 * MAP:
        levels.append(F.avg_pool2d(levels[-1], 2))
    pixels = size * float(Camera.from_vector(picture.camera).intrinsics[0, 0, 0])
    return _Residual(tuple(levels), depth, opacity, trust, head, picture.camera, pixels)


def _surface(view: Synthesized) -> tuple[Tensor, Tensor]:
    """Depth, which goes on for ``REACH`` pixels beside the outline, and opacity, each ``[1, 1, MAP, MAP]``."""
    opacity, half = (F.interpolate(view.image_opacity, (n, n), mode="area") for n in (MAP, MAP // 2))
    solid = (view.image_opacity > 0.5).float()
    share = F.interpolate(solid, half.shape[-2:], mode="area")
    mean = F.interpolate(view.image_depth * solid, half.shape[-2:], mode="area") / share.clamp(min=1e-6)
    # Two pixels of half the resolution a step.
    beside = spread(torch.where(share > 0, mean, view.image_depth.amax()), share > 0, REACH // 4)
    own = F.interpolate(view.image_depth, (MAP, MAP), mode="area")
    return torch.where(opacity > 0.5, own, resized(beside, MAP)), opacity


def _weight(residual: _Residual, places: Tensor, normals: Tensor, camera: Tensor, opacity: Tensor) -> Tensor:
    """``[1, 1, MAP, MAP]`` in [0, 1]: how far a picture's detail is shown at ``places [1, MAP, MAP, 3]`` with ``normals`` and ``opacity``
    that ``camera`` sees."""
    uv, same, turned, squarely = _same_surface(residual, places, normals, camera, opacity)
    everywhere = same * squarely * sample_image(residual.trust, uv) * (opacity > 0.9)
    # Shrunk by as much as it is blurred: nothing reaches across an outline to what lies behind.
    everywhere = box_mean(eroded(everywhere, FADE), 2 * FADE + 1)
    alike = 1 - smooth_step((sample_image(residual.opacity, uv) - opacity).abs(), *SAME_OPACITY)
    # Beside what the picture does not see, its detail is that of an outline: a line across the neck once the chin has moved.
    within = 1 - box_mean(widened(((same < 0.5) & (opacity > 0.9)).float(), CLEARED), 3)
    near = torch.exp(-(turned / NEAR).square()) * same * alike * sample_image(residual.head, uv) * within
    return torch.maximum(everywhere, near)


def _same_surface(residual: _Residual, places: Tensor, normals: Tensor, camera: Tensor,
                  opacity: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Arguments as ``_weight``. Where the picture has each place, ``[1, MAP, MAP, 2]`` in [0, 1]; and, ``[1, 1, MAP, MAP]`` each: how far
    it shows that surface, in [0, 1]; degrees between its sight and the camera's; how squarely it shows it, in [0, 1]."""
    uv, distance = project(places, residual.camera)
    inside = ((uv > 0) & (uv < 1)).all(-1)[:, None].float()
    apart = (sample_image(residual.depth, uv) - distance[:, None]).abs()
    same = inside * (1 - smooth_step(apart, *TOLERANCE))
    here, there = (F.normalize(Camera.from_vector(c).position()[:, None, None] - places, dim=-1) for c in (camera, residual.camera))
    seen_here, seen_there = ((normals * sight).sum(-1)[:, None] for sight in (here, there))
    squarely = smooth_step(mean_within(seen_there / seen_here.clamp(min=0.05), (opacity > 0.9).float(), LUMPS), *STRETCH)
    turned = torch.rad2deg(torch.acos((here * there).sum(-1)[:, None].clamp(-1, 1)))
    return uv, same, turned, squarely
