"""The mirror at the plane x = 0: images, and how much a mirrored photo may say (cameras: ``Camera.mirror``)."""

from __future__ import annotations

import math

from torch import Tensor


def mirror_image(image: Tensor) -> Tensor:
    """Flip ``[..., W]`` left-right. With ``Camera.mirror`` it gives the view of the mirrored head."""
    return image.flip(-1)


def mirror_weight(yaw: float) -> float:
    """Weight of the mirrored photo as a pseudo view (SPI, arXiv 2211.16927, with the constants of its public code).

    ``m = (1 - N(y; 0, 0.29) / 2.7) / 2`` with y = |yaw| in radians, and 0 below 0.2 rad: a frontal photo's mirror
    shows nothing new and fights the real asymmetry.

    Args:
        yaw: degrees.
    """
    y, sigma = abs(math.radians(yaw)), 0.29
    if y < 0.2:
        return 0.0
    gauss = math.exp(-0.5 * (y / sigma) ** 2) / (sigma * math.sqrt(2 * math.pi))
    return (1 - gauss / 2.7) / 2
