"""Where stage 1 begins: the code that the encoder reads off the photo, with one haircut instead of several at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ...faces import look_closer
from ...faces.closeup import INPUT, REGIONS, read_squares
from ...generator import Head, Sampling, TriPlaneGenerator
from ...generator.traits import Traits
from ..target.target import Target

OPTIONAL_PARTS = {"glasses": "glasses_kind", "hat": "hat_kind", "mole": "mole_there", "patch": "patch_there"}
"""What a person may have or not, and which traits say whether."""
MAX_CANDIDATES, UNLIKELY = 5, 0.05
"""So many of the likeliest hair styles are put on and looked at, less likely ones than that never."""
PRIOR_WEIGHT = 0.03
"""What the encoder's word for a haircut is worth, in mean difference of regions."""
BRAID, PONYTAIL, COMBED = 2, 4, 5
"""Two styles with hair behind the neck, and short hair that looks from in front as a ponytail does."""
UNSEEN, CROPPED = 0.006, -1.2
"""What has to speak for a braid or a ponytail, in mean difference of regions, or it is cropped to that length (logarithm; the shortest of
the training): hardly anybody has one that the photo does not show. Instead of a cropped ponytail the hair is combed back."""
GONE = -3.5
"""The length of a braid that is cropped: a stump of the training's shortest would be left."""
OUTLINE = ("background", "skin", "hair", "ears", "hat")
"""Regions that tell haircuts apart."""
PART = 4
"""The planes of such drafts have this part of their resolution; outlines do not ask for more."""
DRAFT, SIDE = (48, 8), 64
"""Samples a ray, and pixels a side."""


@dataclass(frozen=True)
class EncoderStart:
    """Begin at the code that the encoder reads off the photo, where it speaks of the generator's w; else at the mean."""

    def code(self, target: Target, generator: TriPlaneGenerator) -> Tensor | None:
        """``[w_dim]``, or None."""
        return guess_code(target, generator)


@torch.no_grad()
def guess_code(target: Target, generator: TriPlaneGenerator) -> Tensor | None:
    """``[w_dim]``: what the encoder (``faces.look_closer``) takes the photo for; None where it speaks of another generator."""
    traits = generator.traits
    if traits is None:
        return None
    seen = look_closer(target.image.cpu(), points_too=False)
    return resolve_attributes(seen.w, seen.regions, target, generator, traits).to(generator.device)


def resolve_attributes(w: Tensor, regions: Tensor, target: Target, generator: TriPlaneGenerator, traits: Traits) -> Tensor:
    """``w [w_dim]`` with one haircut instead of several at once, and without what is more likely not there than there.

    The encoder's answer is a mean over all that may be: half a ponytail and a quarter of glasses float beside such a head. Haircuts are
    compared by what the refinement network sees in their renders: ``regions [12, S, S]`` are those of the photo.
    """
    read = traits.read(w.cpu())
    found = traits.possible(read)
    # Decisions go by what was read: a style that is read as less than none takes as much from another, and only their sum is a chance.
    for part, says in OPTIONAL_PARTS.items():
        if read[traits.places[says]].sum() < 0.5:
            found[traits.places[part]] = 0
    styles = read[traits.places["hair"]]
    likely = dict(enumerate(styles.tolist())) | {None: 1 - float(styles.sum())}
    likely[COMBED] = likely[PONYTAIL] = likely[COMBED] + likely[PONYTAIL]
    tried = sorted(likely, key=likely.get, reverse=True)[:MAX_CANDIDATES]
    haircuts = {}
    for style in [style for style in tried if style == tried[0] or likely[style] >= UNLIKELY]:
        for length, doubt in ((None, UNSEEN), (CROPPED, UNSEEN / 2)) if style in (BRAID, PONYTAIL) else ((None, 0.0),):
            haircuts[style, length] = doubt - PRIOR_WEIGHT * likely[style]
    codes = torch.stack([traits.write(with_haircut(found, style, traits, length)) for style, length in haircuts])
    if len(codes) == 1:
        return codes[0]
    away = outline_differences(codes.to(generator.device), regions, target, generator)
    best = int((away + torch.tensor(list(haircuts.values()))).argmin())
    style, length = list(haircuts)[best]
    if length is None:
        return codes[best]
    # Cropped, a ponytail would be a bun, where the photo shows none.
    return traits.write(with_haircut(found, COMBED, traits) if style == PONYTAIL else with_haircut(found, style, traits, GONE))


def with_haircut(found: Tensor, style: int | None, traits: Traits, length: float | None = None) -> Tensor:
    """Traits ``[w_dim]`` with one hair style, None: without hair. On which side it lies stays as doubtful as it was.

    ``length``: logarithm of what hangs down, as a share of the style's; by default as it was.
    """
    out = found.clone()
    chosen, side = (out[traits.places[name]] for name in ("hair", "hair_side"))
    sense = 0.0 if style is None else float(side[style] / chosen[style].clamp(min=0.1))
    chosen.zero_()
    side.zero_()
    if style is not None:
        chosen[style], side[style] = 1, max(-1.0, min(1.0, sense))
    if length is not None:
        out[traits.places["hair_shape"].start] = length
    return out


def without_nape_hair(ws: Tensor, traits: Traits) -> Tensor:
    """``ws [1, num_ws, w_dim]``, the same in all rows, without the tail that belongs to the braid: the pack's only hair that is cut like a
    bob has one, and hardly anybody's has."""
    found = traits.read(ws[0, 0])
    if float(found[traits.places["hair"]][BRAID]) < 0.5:
        return ws
    return traits.write(with_haircut(found, BRAID, traits, GONE)).expand_as(ws)


def outline_differences(codes: Tensor, regions: Tensor, target: Target, generator: TriPlaneGenerator) -> Tensor:
    """``[N]``: mean differences between what the refinement network sees in the heads ``codes [N, w_dim]`` and ``regions [12, S, S]``, as
    far as it tells haircuts apart and the photo goes."""
    config, ws = generator.config, codes[:, None].expand(-1, generator.config.num_ws, -1)
    planes = generator.planes(ws, resolution=config.plane_resolution // PART)
    head, cameras = Head.of(generator, ws, planes, 2), target.camera.expand(len(codes), -1)
    images = head.view(cameras, SIDE, Sampling(samples=DRAFT)).image.clamp(-1, 1).cpu()
    images = F.interpolate(images, (INPUT, INPUT), mode="bilinear", align_corners=False)
    below_another = images.new_tensor([[INPUT, 0, INPUT / 2, (n + 0.5) * INPUT] for n in range(len(codes))])
    seen = torch.stack([close.regions for close in read_squares(torch.cat([*images], 1)[None], below_another)])
    there = [REGIONS.index(name) for name in OUTLINE]
    away = (seen - regions)[:, there].abs().mean(1)
    if target.out_of_frame is None:
        return away.mean((1, 2))
    known = 1 - F.interpolate(target.out_of_frame.cpu(), away.shape[1:], mode="area")[0]
    return (away * known).sum((1, 2)) / known.sum()
