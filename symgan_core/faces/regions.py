"""The head against its background: OpenCV's GrabCut, started from what the second look saw."""

from __future__ import annotations

import numpy as np

BAND = 13
"""Pixels of a 256-pixel crop."""


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
        cv2.grabCut(np.ascontiguousarray(crop[..., ::-1]), labels, None, *models, iterations, cv2.GC_INIT_WITH_MASK)
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
    return cv2.GaussianBlur(head * np.uint8(255), (0, 0), size / 200)
