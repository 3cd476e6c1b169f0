"""Which of a head is hair, and which skin: a volume read from views all around, and the colours that each has."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ...faces import shares_of
from ...generator import Synthesized
from ...geometry import unproject
from ...geometry.images import resized
from .fields import at

HAIR, SKIN = ("hair",), ("skin", "nose", "ears", "neck")
GROUPS = HAIR, SKIN
CELLS = 56
"""Cells a side of the volume."""
SPREAD = 4
"""Times that what is known of a cell is passed on to its neighbours."""
SURE = 0.85
"""Least probability of a pixel whose colour is learned from."""
FEW = 60
"""Fewer such pixels say nothing."""
SOLID = 0.9
DARK = 0.02
"""Added to colours in [0, 1] before their logarithm is taken."""
LEEWAY = 0.15
"""Standard deviation that is added to each feature's: people's colours vary beside those that were learned from."""
ODDS = 3.0
"""Logarithm: the colour alone makes nothing more likely than this times as likely."""


@dataclass(frozen=True, eq=False)
class Parts:
    """What of a head is what.

    Attributes:
        volume: ``[1, 3, D, D, D]`` over the box, x fastest: probability of hair, of skin and of anything else.
        known: ``[1, 1, D, D, D]``: 1 where the head's surface was seen, and beside it.
        colours: for hair and skin, mean ``[3]`` and inverse covariance ``[3, 3]`` of colour features; None where too little is seen.
        half_box: half the side of the box, world units.
    """

    volume: Tensor
    known: Tensor
    colours: tuple[tuple[Tensor, Tensor] | None, ...]
    half_box: float

    def at(self, points: Tensor, colours: Tensor) -> Tensor:
        """``[1, 2, H, W]``: shares of hair and skin at ``points [1, h, w, 3]``, of the size of ``colours [1, 3, H, W]`` in [0, 1]."""
        prior = at(self.volume, points / self.half_box)[0].permute(2, 0, 1)[None]
        prior = resized(prior.clamp(1e-4, 1).contiguous(), colours.shape[-1])  # channel by channel, all that follows is faster
        seen = _features(colours)
        odds = torch.zeros_like(prior)
        for number, known in enumerate(self.colours):
            if known is not None:
                off = seen - known[0][None, :, None, None]
                odds[:, number] = -torch.einsum("bihw,ij,bjhw->bhw", off, known[1], off) / 2
        best = odds[:, :2].amax(1, keepdim=True)
        odds[:, :2] = (odds[:, :2] - best).clamp(min=-ODDS)
        odds[:, 2:] = -ODDS / 2
        share = prior * odds.exp()
        return (share / share.sum(1, keepdim=True))[:, :2]


@torch.no_grad()
def head_parts(views: list[tuple[Tensor, Synthesized]], half_box: float) -> Parts:
    """Read a head's parts from ``views``, pairs of a camera ``[1, 25]`` and what it sees."""
    device = views[0][0].device
    total, number = (torch.zeros(c, CELLS**3, device=device) for c in (3, 1))
    samples: list[list[Tensor]] = [[], []]
    for camera, view in views:
        size = view.image_depth.shape[-1]
        shares = torch.cat(shares_of(view.image, *GROUPS), 1)
        image, small = (resized(x, size) for x in (view.image, shares))
        solid = (view.image_opacity > SOLID)[0, 0]
        points = unproject(view.image_depth, camera)[0][solid]
        cell = ((points / half_box + 1) / 2 * (CELLS - 1)).round().long().clamp(0, CELLS - 1)
        place = (cell[:, 2] * CELLS + cell[:, 1]) * CELLS + cell[:, 0]
        found = small[0][:, solid].clamp(0, 1)
        found = torch.cat([found, 1 - found.sum(0, keepdim=True).clamp(max=1)])
        total.index_add_(1, place, found)
        number.index_add_(1, place, torch.ones_like(found[:1]))
        for k, group in enumerate(samples):
            group.append(_features(image / 2 + 0.5)[0][:, solid & (small[0, k] > SURE)])
    volume, known = (x.reshape(1, -1, CELLS, CELLS, CELLS) for x in (total, number))
    for _ in range(SPREAD):
        wide, reach = (F.avg_pool3d(x, 3, 1, 1) for x in (volume, known))
        volume, known = volume + 0.2 * wide, known + 0.2 * reach
    colours = tuple(_gaussian(torch.cat(group, 1)) for group in samples)
    return Parts(volume / known.clamp(min=1e-6), (known > 1e-3).float(), colours, half_box)


def _features(colours: Tensor) -> Tensor:
    """``[1, 3, H, W]`` from colours in [0, 1]: logarithms of brightness (which shade changes), and of two ratios (which it does not)."""
    red, green, blue = (colours.clamp(0, 1) + DARK).log().unbind(1)
    return torch.stack([(red + green + blue) / 3, 2 * (red - green), 2 * (green - blue)], 1)


def _gaussian(samples: Tensor) -> tuple[Tensor, Tensor] | None:
    if samples.shape[1] < FEW:
        return None
    spread = torch.cov(samples) + LEEWAY**2 * torch.eye(len(samples), device=samples.device)
    return samples.mean(1), torch.linalg.inv(spread)


