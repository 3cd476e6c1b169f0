"""The photo's palette for the whole head: what no photo shows would otherwise keep the pivot's colours, and stand beside the photo's.

A pivot's hair is brown where the photo's is blond. How the colours that it paints become the photo's is fitted where both are seen, as a
change of the decoder's last layer: what goes into that layer tells skin from hair and light from shade, so hidden hair changes as seen hair
does, and it touches no density. On inputs that the photo does not show such a fit would say anything at all; so on views from all around it
is held to a plain map, one gain and one bias of the logits of each colour, and what is hair there to the colours of the photo's hair.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..faces import share_of
from ..generator import TriPlaneGenerator
from ..geometry import Camera, unproject
from .symmetry import box_mean, mean_within
from .target import Target

TEXTURE = 5
"""Colours are compared as means over squares of so many pixels of the draft resolution."""
OUTLIER = 1.0
"""Of a colour's logits: what differs by more, as teeth and open eyes do, hardly counts."""
DARKEST = 0.03
"""Colours are kept so far from 0 and 1, where logits run away."""
STILL = 0.02
"""Weight of the plain map's squared distance from none, as a share of the pixels'."""
AROUND = (-120, -60, 0, 60, 120, 180)
"""Yaws of the views on which the fit is held to the plain map, degrees."""
UNSEEN = 0.1
"""Weight of those views, as a share of the photo's."""
RIDGE = 0.2
"""Weight of the squared change of the layer, for inputs of unit deviation."""
ROUNDS = 6
HAIR = ("hair",)
SURE = 0.6
"""Least probability of hair."""
LITTLE = 0.01
"""A smaller share of the picture is too little hair to say anything."""
LEVEL = 0.02
"""Pull of the line of hair's colours to keeping their ratios from light to shade, as a share of the pixels'."""


def plain_map(source: Tensor, aim: Tensor) -> tuple[Tensor, Tensor]:
    """``gain [3]`` and ``bias [3]`` that take logits ``source [N, 3]`` to ``aim [N, 3]``: reweighted least squares (Cauchy), with a
    pull to leaving them as they are."""
    gain, bias = torch.ones_like(source[0]), torch.zeros_like(source[0])
    for _ in range(ROUNDS):
        weight = _trust(source * gain + bias - aim)
        total = weight.sum() + STILL * len(source)
        mean, wanted = (((weight * x).sum(0) / total) for x in (source, aim))
        # The normal equations of one column each, with the identity as the prior.
        spread = (weight * source.square()).sum(0) / total - mean.square() + STILL
        gain = ((weight * source * aim).sum(0) / total - mean * wanted + STILL) / spread
        bias = wanted - gain * mean
    return gain, bias


def layer_change(inputs: Tensor, change: Tensor, others: Tensor, plain: Tensor) -> tuple[Tensor, Tensor]:
    """``weight [3, K]`` and ``bias [3]`` to be added to a layer.

    Args:
        inputs: ``[N, K]`` that go into it where the photo sees; change: ``[N, 3]`` wanted of its results there.
        others: ``[M, K]`` from all around; plain: ``[M, 3]`` wanted there, with the weight ``UNSEEN``.
    """
    mean, spread = others.mean(0), others.std(0).clamp(min=1e-3)
    seen, around = (F.pad((x - mean) / spread, (0, 1), value=1.0) for x in (inputs, others))
    ridge = RIDGE * torch.eye(seen.shape[1], device=seen.device)
    ridge[-1, -1] = 0
    left = UNSEEN * around.T @ around / len(around) + ridge
    right = UNSEEN * around.T @ plain / len(around)
    found = torch.zeros_like(right)
    for _ in range(ROUNDS):
        weighted = _trust(seen @ found - change) * seen / len(seen)
        found = torch.linalg.solve(seen.T @ weighted + left, weighted.T @ change + right)
    weight = (found[:-1] / spread[:, None]).T
    return weight, found[-1] - weight @ mean


@dataclass(frozen=True, eq=False)
class HairColours:
    """The colours of a photo's hair, from shade to light: their logarithms are lines over that of their mean, ``line [2, 3]``."""

    line: Tensor

    @staticmethod
    @torch.no_grad()
    def of(target: Target) -> HairColours | None:
        """None where there is no matte, or next to no hair."""
        if target.mask is None or not target.matte:
            return None
        hair = hair_seen(target.image) & (target.mask > 0.9)
        if hair.float().mean() < LITTLE:
            return None
        colours = (target.image / 2 + 0.5)[0][:, hair[0, 0]].T.clamp(min=DARKEST)
        light = colours.mean(1, keepdim=True).log()
        light = torch.cat([torch.ones_like(light), light], 1)
        pull = LEVEL * len(light) * torch.tensor([0.0, 1.0], device=light.device)
        return HairColours(torch.linalg.solve(light.T @ light + pull.diag(), light.T @ colours.log() + pull[:, None]))

    def like(self, colours: Tensor) -> Tensor:
        """Colours ``[N, 3]`` in [0, 1] as bright as they are, in the hair's."""
        light = colours.mean(1, keepdim=True).clamp(min=DARKEST)
        hair = (self.line[0] + self.line[1] * light.log()).exp()
        return (hair * light / hair.mean(1, keepdim=True)).clamp(0, 1)

    def in_picture(self, image: Tensor) -> Tensor:
        """``image [1, 3, H, W]`` in [-1, 1] whose hair has these colours."""
        hair = self.like((image / 2 + 0.5)[0].flatten(1).T).T.view_as(image) * 2 - 1
        return torch.lerp(image, hair, share_of(HAIR, image))


def hair_seen(image: Tensor) -> Tensor:
    """``[1, 1, S, S]`` bool: where a square picture ``[1, 3, S, S]`` surely shows hair."""
    return share_of(HAIR, image) > SURE


@torch.no_grad()
def in_the_photos_colours(generator: TriPlaneGenerator, planes: Tensor, target: Target, hair: HairColours | None = None,
                          grid: Tensor | None = None) -> TriPlaneGenerator:
    """A copy whose decoder paints the head of ``planes [1, 3, C, H, W]`` in the photo's palette, and its ``hair`` in those colours.

    The generator itself where there is no mask, where next to nothing is seen, or where its colours go through a super-resolution.
    ``grid``: the planes' density.
    """
    if target.mask is None or not target.matte or generator.superresolution is not None:
        return generator
    size = generator.config.draft_resolution
    photo, mask = (F.interpolate(x, (size, size), mode="area") for x in (target.image, target.mask))
    colours, opacity, inputs = _painted(generator, planes, target.camera, size, grid)
    both = ((mask > 0.9) & (opacity > 0.9)).float()
    known = (box_mean(both, TEXTURE) > 0.6) & (both > 0.5)
    if known.sum() < 100:
        return generator
    source, aim, inputs = (mean_within(x, both, TEXTURE)[0][:, known[0, 0]].T for x in (colours, photo / 2 + 0.5, inputs))
    source, aim = source.logit(DARKEST), aim.logit(DARKEST)
    gain, bias = plain_map(source, aim)
    others, plain = [], []
    for yaw in AROUND:
        camera = Camera.orbit(yaw, 0, generator.config.orbit_radius, generator.config.orbit_pivot).vector().to(planes)
        colours, opacity, hidden = _painted(generator, planes, camera, size // 2, grid)
        solid = (opacity > 0.9)[0, 0]
        logits = colours[0][:, solid].T.logit(DARKEST)
        wanted = logits * gain + bias
        if hair:
            share = share_of(HAIR, colours * 2 - 1)[0][:, solid].T
            wanted = torch.lerp(wanted, hair.like(wanted.sigmoid()).logit(DARKEST), share)
        others.append(hidden[0][:, solid].T)
        plain.append(wanted - logits)
    tinted = generator.with_own(["decoder"])
    tinted.decoder.add_to_colours(*layer_change(inputs, aim - source, torch.cat(others), torch.cat(plain)))
    return tinted


def _painted(generator: TriPlaneGenerator, planes: Tensor, camera: Tensor, size: int,
             grid: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Colours ``[1, 3, size, size]`` in [0, 1], opacity ``[1, 1, size, size]``, and the inputs ``[1, K, size, size]`` of the decoder's last
    layer at the surface that is seen."""
    seen = generator.render(planes, camera, size, grid=grid)
    hidden = generator.hidden_features(planes, unproject(seen.depth, camera).reshape(1, -1, 3))
    return (seen.features[:, :3] + 1) / 2, seen.opacity, hidden.transpose(1, 2).reshape(1, -1, size, size)


def _trust(residual: Tensor) -> Tensor:
    """Cauchy's weights ``[N, 1]``."""
    return 1 / (1 + (residual / OUTLIER).square().sum(1, keepdim=True))
