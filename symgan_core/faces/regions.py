"""The head against its background: OpenCV's GrabCut, started from what the second look saw, with an edge that follows the hair."""

from __future__ import annotations

import numpy as np

BAND = 13
"""Pixels of a 256-pixel crop."""
EDGE, LEEWAY = 4, 6
"""Pixels of a 256-pixel crop: half the width of the windows in which a line of colours tells head from background, and how far from
GrabCut's edge that may decide."""
CONTRAST = 1e-4
"""Variance of colours in [0, 1] below which a window's colours say nothing."""


def head_mask(crop: np.ndarray, coarse: np.ndarray, landmarks: np.ndarray | None = None, iterations: int = 4) -> np.ndarray:
    """Separate head, hair, neck and clothes from the background.

    Args:
        crop: uint8 ``[R, R, 3]``, aligned.
        coarse: float ``[R, R]``, the probability that a pixel does not show the background.
        landmarks: ``[6, 2]`` in crop pixels; what lies between them is head for certain.

    Returns:
        uint8 ``[R, R]``, 255 = head, with soft edges.
    """
    import cv2

    size = crop.shape[0]
    band = size * BAND // 256 | 1
    labels = np.where(coarse > 0.5, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    # GrabCut decides where the network's outline is not sure of itself, and in a band around it.
    around = cv2.blur(coarse.astype(np.float32), (band, band))
    labels[around < 0.05] = cv2.GC_BGD
    labels[around > 0.95] = cv2.GC_FGD
    if landmarks is not None:
        hull = cv2.convexHull(landmarks.astype(np.float32)).astype(np.int32)
        cv2.fillConvexPoly(labels, hull, cv2.GC_FGD)
    if (labels == cv2.GC_FGD).any() or (labels == cv2.GC_PR_FGD).any():
        cv2.setRNGSeed(0)
        models = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.grabCut(np.ascontiguousarray(crop[..., ::-1]), labels, (0, 0, 0, 0), *models, iterations, cv2.GC_INIT_WITH_MASK)
    head = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    head = cv2.morphologyEx(head, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    head = cv2.morphologyEx(head, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    count, parts, stats, _ = cv2.connectedComponentsWithStats(head)
    if count > 1:
        head = (parts == 1 + stats[1:, cv2.CC_STAT_AREA].argmax()).astype(np.uint8)
    # Holes inside the head (eyes, teeth, glasses) belong to it.
    outside, holes = cv2.connectedComponents(1 - head)
    border = set(np.unique(np.concatenate([holes[0], holes[-1], holes[:, 0], holes[:, -1]])))
    for part in range(1, outside):
        if part not in border:
            head[holes == part] = 1
    return (255 * follow_edges(crop, head)).round().astype(np.uint8)


def follow_edges(crop: np.ndarray, head: np.ndarray) -> np.ndarray:
    """Float ``[R, R]`` in [0, 1]: ``head`` (``[R, R]`` in [0, 1]) with the edge that the colours of ``crop`` (uint8 ``[R, R, 3]``) have
    there.

    It is the guided filter (He, Sun and Tang, TPAMI 2013, eq. 19 to 21). Strands get their own width, and what is seen between them is
    background.
    """
    import cv2

    unit = crop.shape[0] / 256
    side, leeway = 2 * round(EDGE * unit) + 1, 2 * round(LEEWAY * unit) + 1

    def mean(x: np.ndarray, side: int = side) -> np.ndarray:
        return cv2.blur(x, (side, side), borderType=cv2.BORDER_REFLECT)

    colours, rough = crop.astype(np.float64) / 255, head.astype(np.float64)
    middle, share = mean(colours), mean(rough)
    products = mean((colours[..., :, None] * colours[..., None, :]).reshape(*rough.shape, 9)).reshape(*rough.shape, 3, 3)
    spread = products - middle[..., :, None] * middle[..., None, :] + CONTRAST * np.eye(3)
    together = mean(colours * rough[..., None]) - middle * share[..., None]
    slope = np.linalg.solve(spread, together[..., None])[..., 0]
    alpha = (mean(slope) * colours).sum(-1) + mean(share - (slope * middle).sum(-1))
    alpha = (alpha - 0.15) / 0.7  # a mean of windows falls short of both ends
    within, around = (mean(grow(rough, np.ones((leeway, leeway))), side // 2 | 1) for grow in (cv2.erode, cv2.dilate))
    return np.clip(alpha, within, around)
