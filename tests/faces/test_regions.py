import cv2
import numpy as np
import pytest
import skimage.data

from symgan_core.faces import head_mask


def drawn_head(side: int) -> tuple[np.ndarray, np.ndarray]:
    """A head with strands that stand off it, before grass: a photo ``[side, side, 3]``, and its opacity ``[side, side]``."""
    fine = 4 * side  # drawn large, so that edges are soft
    alpha = np.zeros((fine, fine), np.uint8)
    cv2.ellipse(alpha, (fine // 2, fine * 11 // 20), (fine // 4, fine // 3), 0, 0, 360, 255, -1)
    cv2.rectangle(alpha, (fine * 2 // 5, fine // 2), (fine * 3 // 5, fine), 255, -1)
    for angle in np.radians(np.arange(195, 346, 6)):
        ends = [(round(fine / 2 + r * fine * np.cos(angle)), round(fine * 11 / 20 + 1.33 * r * fine * np.sin(angle))) for r in (0.2, 0.275)]
        cv2.line(alpha, *ends, 255, fine // 110)
    alpha = cv2.resize(alpha, (side, side), interpolation=cv2.INTER_AREA).astype(np.float64) / 255
    colours = np.full((side, side, 3), (210, 160, 130), np.float64)
    colours[: side // 2] = 50, 35, 30
    grass = cv2.resize(skimage.data.grass(), (side, side))[..., None] * np.array([0.5, 1.0, 0.4])
    return (colours * alpha[..., None] + grass * (1 - alpha[..., None])).round().astype(np.uint8), alpha


@pytest.mark.parametrize("side", [256, 512])
def test_the_edge_of_the_mask_follows_the_hair(side: int) -> None:
    crop, alpha = drawn_head(side)
    coarse = cv2.GaussianBlur((alpha > 0.5).astype(np.float32), (0, 0), side / 40)
    mask = head_mask(crop, coarse).astype(np.float64) / 255
    near = cv2.dilate(((alpha > 0.05) & (alpha < 0.95)).astype(np.uint8), np.ones((5, 5))) > 0
    assert np.abs(mask - alpha)[near].mean() < 0.19  # a blurred outline of GrabCut's: 0.23 and 0.32
    assert mask[alpha > 0.999].mean() > 0.99 and mask[~near & (alpha < 0.001)].mean() < 0.01
