"""The photo on the planes in one pass: an offset with which the head that is seen has the photo's colours, before any step is taken.

TriPlaneNet (Bhattarai et al., arXiv 2303.13497) trains a network to tell such an offset from what a render differs in from the photo. Here
nothing is trained. Density and colours at a point are a function of the planes' mean feature there, and its slope is known; so the least
change of that feature which gives the photo's colour, and leaves the density alone, can be written down (a step of Gauss and Newton). The
planes then have to agree on it, which is tomography: each texel takes the mean of what the points before it ask for, over and over, from
coarse planes to fine (SIRT: Gilbert 1972). What the photo does not show is asked to stay as it is, or the face would come through in the
hair behind it. The mirrored photo is left to stage 2: laid on at once, it lies beside the pivot's own eye and lip where they are not quite
in its places, and what a step at a time would average stays as a second one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from ...generator import Head
from ...generator.decoder import sample_planes
from ...geometry import DepthView, facing, surface_normals, unproject, warp_to_view
from ...geometry.images import eroded
from .offset import PlanesOffset, enlarged

if TYPE_CHECKING:
    from ..state import TuningStage
from ..preparation import Preparation
from ..target.target import Target, takes_colours
from ..views.symmetry import well_seen
from ..views.warping import PhotoWarp

AROUND = (-90.0, -45.0, 45.0, 90.0, 180.0)
"""Yaws of the views that show what the photo does not, degrees."""
EDGE = 1
"""So near an outline, the nose's before a cheek as well, what the photo shows may be of what is behind it; in pixels of a draft."""
STEP = 2.0
"""The logit of a colour changes by no more in one round."""
DARKEST = 0.02
"""Colours are kept so far from 0 and 1, where logits run away."""
RIDGE = 0.03
"""Weight of a feature's squared change, beside the squared errors of raw density and logits."""
KEPT = 1.2
"""What a point counts that is to stay. One that the photo shows counts the cosine between surface and sight, and there are four of those
for one of the others."""
FEW = 0.015
"""A texel before which points count for less than this hardly moves."""
UPRIGHT = 0.05
"""Cosine between a point's normal and a plane's from which on the plane is asked no less: its texels run through all that the surface has
above one another there."""


@dataclass(frozen=True)
class PaintPhoto(Preparation):
    """The offset on the planes (``OptimizePlanes``) begins with the photo's colours."""

    shows_photo = True

    def apply(self, stage: TuningStage) -> None:
        """Change the offset, where there is one."""
        if stage.state.offset is not None:
            backproject_colors(stage.head, stage.target, stage.method.warp, stage.state.offset)


@dataclass(frozen=True, eq=False)
class SurfaceTargets:
    """What the surface is to look like: ``points [P, 3]``, their unit ``normals [P, 3]``, the ``logits [P, 3]`` of their colours, and what
    each point counts, ``weights [P]``."""

    points: Tensor
    normals: Tensor
    logits: Tensor
    weights: Tensor

    @classmethod
    def joined(cls, parts: list[SurfaceTargets]) -> SurfaceTargets:
        """All of their points."""
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in cls.__dataclass_fields__))

    @classmethod
    def of_view(cls, camera: Tensor, depth: Tensor, colours: Tensor, weights: Tensor) -> SurfaceTargets:
        """What ``camera [1, 25]`` sees at ``depth [1, 1, R, R]``, in ``colours [1, 3, R, R]`` in [-1, 1], where ``weights
        [1, 1, R, R]`` are above 0."""
        there = weights[0, 0] > 0
        normals = surface_normals(depth, camera)[0][:, there].T
        logits = (colours[0][:, there].T / 2 + 0.5).logit(DARKEST)
        return cls(unproject(depth, camera)[0][there], normals, logits, weights[0, 0][there])


@torch.no_grad()
def backproject_colors(head: Head, target: Target, warping: PhotoWarp, offset: PlanesOffset) -> None:
    """Let the learned parts of the ``offset`` on the planes of the ``head`` begin with the photo's colours.

    They stay as they are where the photo has no mask, or where the colours go through a super-resolution.
    """
    if takes_colours(head.generator, target):
        _agree(head, _surface_targets(head, target, warping), offset.levels)


def _surface_targets(head: Head, target: Target, warping: PhotoWarp) -> SurfaceTargets:
    """What the photo shows in the photo's colours, and what else is seen from all around as it is."""
    size, camera = head.generator.config.draft_resolution, target.camera
    front = head.draft(camera)
    given = DepthView(camera, front.depth)
    photo, supervised = (F.interpolate(x, (size, size), mode="area") for x in (target.image, eroded(target.supervised_mask)))
    shown = well_seen(((supervised > 0.9) & (front.opacity > 0.9)).float(), front.depth, camera, warping.grazing)
    parts = [SurfaceTargets.of_view(camera, front.depth, photo, eroded(shown, EDGE) * facing(front.depth, camera))]
    known = well_seen(target.supervised_mask, front.depth, camera, warping.grazing)
    for yaw in AROUND:
        view = head.orbit(yaw)
        seen = head.render(view, size // 2)
        direct = warp_to_view(target.image, given, DepthView(view, seen.depth), known, warping.tolerance, size // 2)
        parts.append(SurfaceTargets.of_view(view, seen.depth, seen.features[:, :3], KEPT * (1 - direct.visible) * (seen.opacity > 0.9)))
    return SurfaceTargets.joined(parts)


def _agree(head: Head, wanted: SurfaceTargets, levels: list[Tensor]) -> None:
    """Put into ``levels``, parts of an offset on the planes, what the points want, from the coarsest to the finest."""
    generator, planes = head.generator, head.planes
    places = torch.einsum("pi,kij->kpj", wanted.points * (2 / generator.config.box_warp), generator.projections)
    across = F.normalize(torch.linalg.cross(*generator.projections.unbind(2), dim=1), dim=1)  # what a plane does not see
    share = (wanted.normals @ across.T).abs().clamp(min=UPRIGHT).square().T
    share = share / share.sum(0)
    # The mean of the three planes is to change by what a point asks for.
    each = 3 * share / share.square().sum(0)
    before, decoder = None, generator.decoder
    for rounds, level in enumerate(reversed(levels), 1):  # the finer, the more there is to agree on
        for _ in range(rounds):
            features = sample_planes(planes, wanted.points[None], generator.projections, generator.config.box_warp)[0]
            now, slopes = decoder.logits_and_slopes(features)
            before = now[:, :1] if before is None else before
            residual = torch.cat([before - now[:, :1], (wanted.logits - now[:, 1:]).clamp(-STEP, STEP)], 1)
            step = torch.linalg.solve(slopes @ slopes.mT + RIDGE * torch.eye(4, device=residual.device), residual[..., None])
            change = _gathered(places, (step.mT @ slopes)[:, 0], each, share * wanted.weights, level)
            level += change
            planes = planes + enlarged(change, planes.shape)


def _gathered(places: Tensor, wanted: Tensor, each: Tensor, weights: Tensor, level: Tensor) -> Tensor:
    """Like ``level [1, 3, C, H, W]``: mean of ``wanted [P, C]`` times ``each [3, P]`` around each texel, by ``weights [3, P]``.

    ``places [3, P, 2]``: of the points on the planes, in [-1, 1].
    """
    asked = torch.cat([wanted * each[..., None], torch.ones_like(each)[..., None]], 2) * weights[..., None]
    with torch.enable_grad():  # what sampling does backwards: each point goes to the four texels around it
        texels = asked.new_zeros(3, asked.shape[2], *level.shape[3:], requires_grad=True)
        sampled = F.grid_sample(texels, places[:, None], align_corners=False)
    spread, = torch.autograd.grad(sampled, texels, asked.mT[:, :, None])
    spread = F.avg_pool2d(spread, 3, 1, 1)  # points of a draft lie farther apart than the finest texels
    return (spread[:, :-1] / (spread[:, -1:] + FEW))[None]
