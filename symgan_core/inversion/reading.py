"""What the second look reads in a render beside what it reads in the photo.

Pixels draw a face's parts over short ways only: a mouth that is a mouth's height too low has no gradient that would lift it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..faces.closeup import INPUT, load_close_network


def points_difference(image: Tensor, photo: Tensor) -> Tensor:
    """Mean distance of the 68 points, of those that the photo shows, in widths of the picture.

    Args:
        image, photo: ``[1, 3, H, W]`` in [-1, 1], framed as the built-in generator frames heads. The gradient is the image's.
    """
    network = load_close_network(image.device)
    crops = torch.cat([image.clamp(-1, 1), photo])
    reading = network(F.interpolate(crops, (INPUT, INPUT), mode="bilinear", antialias=crops.shape[-1] > INPUT, align_corners=False))
    points, shown = reading.points[0], torch.sigmoid(reading.visible[1].detach())
    away = (points - reading.points[1].detach()).square().sum(-1).add(1e-8).sqrt()  # a distance of zero has no gradient
    return (away * shown).sum() / shown.sum().clamp(min=1)
