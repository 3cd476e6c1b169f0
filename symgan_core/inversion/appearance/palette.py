"""The photo's palette for the whole head: what no photo shows would otherwise keep the pivot's colours, and stand beside the photo's.

A pivot's hair is brown where the photo's is blond. How the colours that it paints become the photo's is fitted where both are seen, as a
change of the decoder's last layer: what goes into that layer tells skin from hair and light from shade, so hidden hair changes as seen hair
does, and it touches no density. On inputs that the photo does not show such a fit would say anything at all; so on views from all around it
is held to a plain map, one gain and one bias of the logits of each colour, and what is hair, skin or clothing there to the photo's.
A photo in shades of one colour, as old ones are, gives a head in shades of that colour.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from ...faces import shares_of
from ...generator import Head, TriPlaneGenerator
from ...geometry import unproject
from ...geometry.images import box_mean, mean_within
from ...portrait.colour_line import ColourLine
from ..preparation import Preparation
from ..target.target import Target, takes_colours

if TYPE_CHECKING:
    from ..state import TuningStage

TEXTURE = 5
"""Colours are compared as means over squares of so many pixels of the draft resolution."""
OUTLIER = 1.0
"""Of a colour's logits: what differs by more hardly counts."""
DARKEST = 0.03
"""Colours are kept so far from 0 and 1, where logits run away."""
STILL = 0.02
"""Weight of the plain map's squared distance from none, as a share of the pixels'."""
AROUND = (-120, -60, 0, 60, 120, 180)
"""Yaws of the views on which the fit is held to the plain map, degrees."""
UNSEEN = 0.3
"""Weight of those views, as a share of the photo's."""
RIDGE = 0.2
"""Weight of the squared change of the layer, for inputs of unit deviation."""
ROUNDS = 6
HAIR, SKIN, CLOTHES = ("hair",), ("skin", "nose", "ears", "neck"), ("clothing",)
CLASSES = HAIR, SKIN, CLOTHES
OPENINGS, POSSIBLE = ("mouth", "eyes"), 0.1
"""Regions of the photo that teach nothing where they are at least so likely: teeth, where the pivot's mouth is closed, made lips white."""
SURE = 0.6
"""Least probability of such a class."""
MOUTH = 0.1
"""The open mouth (``_mouth``) counts as so large a share of the pixels from all around."""
SHADE = 0.15
"""Of the logarithm of brightness: what no photo shows may be so much darker or lighter than what it shows."""
LITTLE = 0.01
"""A smaller share of the picture is too little to say anything."""
SPAN = (0.1, 0.9)
"""Quantiles of a class's brightness between which the line of its colours is read."""
LEVEL = 0.02
"""Pull of that line to keeping their ratios from light to shade, as a share of the pixels'."""
MONOCHROME, TONE_SIDE = 0.011, 64
"""A photo is in shades of one colour if its colours, as means over squares of so many to a side, are less than this away from such (root
mean square, of 1). JPEG files of grey photos have 0, toned ones 0.01; pale people in dark clothes 0.017."""
FLAT = 0.02
"""Least variance of the logits in a photo's light and shade."""


@dataclass(frozen=True)
class Palette(Preparation):
    """The decoder paints all of the head in the photo's colours, hidden parts too."""

    def apply(self, stage: TuningStage) -> None:
        """Put a generator with another last layer in the place of the state's."""
        stage.state.generator = adapt_palette(stage.head, stage.target, fit_class_colors(stage.target))


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
class ClassColors:
    """The colours of a photo's hair, skin or clothing: ``line``, in the ``regions`` of the refinement network that show it. ``bright`` is
    the mean logarithm of its brightness in the photo."""

    regions: tuple[str, ...]
    line: ColourLine
    bright: float

    def brighter(self, colours: Tensor, share: Tensor) -> float:
        """How many times brighter ``colours [N, 3]`` in [0, 1], of which ``share [N, 1]`` are of this class, have to be to be as bright as
        the photo's in the mean, but for ``SHADE``. What no photo shows has what the first code had: dark hair behind grey."""
        there = share[:, 0] > SURE
        if there.float().mean() < LITTLE:
            return 1.0
        missing = self.bright - float(colours[there].mean(1).clamp(min=DARKEST).log().mean())
        return math.exp(missing - max(-SHADE, min(SHADE, missing)))

    def like(self, colours: Tensor, gain: float = 1.0) -> Tensor:
        """Colours ``[N, 3]`` in [0, 1], ``gain`` times as bright as they are, in the photo's."""
        return self.line.at((gain * colours.mean(1, keepdim=True)).clamp(DARKEST, 1))


@torch.no_grad()
def fit_class_colors(target: Target) -> list[ClassColors]:
    """Those of a photo's hair, skin and clothing; none of what it shows next to nothing of, or where there is no matte."""
    if target.mask is None or not target.white_background:
        return []
    found, colours = [], (target.image / 2 + 0.5)[0]
    for regions, share in zip(CLASSES, shares_of(target.image, *CLASSES), strict=True):
        there = (share > SURE) & (target.mask > 0.9)
        if there.float().mean() >= LITTLE:
            found.append(ClassColors(regions, *fit_line(colours[:, there[0, 0]].T)))
    return found


def fit_line(colours: Tensor) -> tuple[ColourLine, float]:
    """The line of ``colours [N, 3]`` in [0, 1], and the mean logarithm of their brightness."""
    own = colours.clamp(min=DARKEST)
    bright = own.mean(1, keepdim=True).log()
    light = torch.cat([torch.ones_like(bright), bright], 1)
    pull = LEVEL * len(light) * torch.tensor([0.0, 1.0], device=light.device)
    line = torch.linalg.solve(light.T @ light + pull.diag(), light.T @ own.log() + pull[:, None])
    return ColourLine(line, bright.quantile(bright.new_tensor(SPAN))), float(bright.mean())


@torch.no_grad()
def fit_tone_curve(target: Target) -> tuple[Tensor, Tensor] | None:
    """``bias [3]`` and ``gain [3]`` of a photo in grey, or in shades of one other colour: the logits of each colour over their mean.

    None for a photo in colours, for one without light and shade, or where there is no mask.
    """
    if target.mask is None:
        return None
    image, mask = (F.interpolate(x, (TONE_SIDE,) * 2, mode="area") for x in (target.image / 2 + 0.5, target.mask))
    colours = image[0][:, mask[0, 0] > 0.95].T
    if len(colours) < LITTLE * TONE_SIDE**2:
        return None
    logits = colours.logit(DARKEST)
    shade = logits.mean(1, keepdim=True)
    middle, mean = shade.mean(), logits.mean(0)
    spread = (shade - middle).square().mean()
    if spread < FLAT:
        return None
    gain = ((shade - middle) * (logits - mean)).mean(0) / spread
    bias = mean - gain * middle
    away = (bias + gain * shade).sigmoid() - colours.clamp(DARKEST, 1 - DARKEST)
    return (bias, gain) if away.abs().amax(1).square().mean().sqrt() < MONOCHROME else None


@torch.no_grad()
def adapt_palette(head: Head, target: Target, classes: Sequence[ClassColors] = ()) -> TriPlaneGenerator:
    """A copy of the generator whose decoder paints the ``head`` in the photo's palette, its classes in their colours.

    The generator itself where there is no mask, where next to nothing is seen, or where its colours go through a super-resolution.
    """
    generator = head.generator
    if not takes_colours(generator, target):
        return generator
    size = generator.config.draft_resolution
    photo, mask = (F.interpolate(x, (size, size), mode="area") for x in (target.image, target.mask))
    colours, opacity, inputs = _painted(head, target.camera, size)
    openings = F.interpolate(shares_of(target.image, OPENINGS)[0], (size, size), mode="area")
    both = ((mask > 0.9) & (opacity > 0.9) & (openings < POSSIBLE)).float()
    known = (box_mean(both, TEXTURE) > 0.6) & (both > 0.5)
    if known.sum() < 100:
        return generator
    source, aim, inputs = (mean_within(x, both, TEXTURE)[0][:, known[0, 0]].T for x in (colours, photo / 2 + 0.5, inputs))
    source, aim = source.logit(DARKEST), aim.logit(DARKEST)
    gain, bias = plain_map(source, aim)
    others, plain = [], []
    for yaw in AROUND:
        colours, opacity, hidden = _painted(head, head.orbit(yaw), size // 2)
        solid = (opacity > 0.9)[0, 0]
        logits = colours[0][:, solid].T.logit(DARKEST)
        mapped = wanted = logits * gain + bias
        for kind, share in zip(classes, shares_of(colours * 2 - 1, *(s.regions for s in classes)), strict=True):
            share = share[0][:, solid].T
            wanted = torch.lerp(wanted, kind.like(mapped.sigmoid(), kind.brighter(mapped.sigmoid(), share)).logit(DARKEST), share)
        others.append(hidden[0][:, solid].T)
        plain.append(wanted - logits)
    if generator.traits is not None:
        colours, hidden = _mouth(generator, size)
        logits = colours.logit(DARKEST)
        count = round(MOUTH * sum(map(len, others)) / max(len(logits), 1))
        others.append(hidden.repeat(count, 1))
        plain.append((logits * (gain - 1) + bias).repeat(count, 1))
    tinted = generator.copy_with_trainable(["decoder"])
    tinted.decoder.add_to_colours(*layer_change(inputs, aim - source, torch.cat(others), torch.cat(plain)))
    if tone := fit_tone_curve(target):
        tinted.decoder.make_monochrome(*tone)
    return tinted


def _mouth(generator: TriPlaneGenerator, size: int) -> tuple[Tensor, Tensor]:
    """The mean head's open mouth, which edits show: its colours ``[N, 3]`` in [0, 1], and the inputs ``[N, K]`` of the decoder's last layer
    there."""
    colours, _, inputs = _painted(Head.of(generator, generator.open_mouth()), generator.frontal_camera(), size)
    there = shares_of(colours * 2 - 1, ("mouth",))[0][0, 0] > SURE
    return colours[0][:, there].T, inputs[0][:, there].T


def _painted(head: Head, camera: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Colours ``[1, 3, size, size]`` in [0, 1], opacity ``[1, 1, size, size]``, and the inputs ``[1, K, size, size]`` of the decoder's last
    layer at the surface that is seen."""
    seen = head.render(camera, size)
    hidden = head.generator.hidden_features(head.planes, unproject(seen.depth, camera).reshape(1, -1, 3))
    return (seen.features[:, :3] + 1) / 2, seen.opacity, hidden.transpose(1, 2).reshape(1, -1, size, size)


def _trust(residual: Tensor) -> Tensor:
    """Cauchy's weights ``[N, 1]``."""
    return 1 / (1 + (residual / OUTLIER).square().sum(1, keepdim=True))
