"""The head against its background: OpenCV's GrabCut, started from the face network's silhouette."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from .detect import WIDER
from .network import INPUT, load_face_network


@torch.no_grad()
def coarse_mask(crop: np.ndarray) -> np.ndarray:
    """Probability of "head" for each pixel of an aligned crop, ``[R, R]`` float32, smooth."""
    size = round(INPUT / WIDER)
    small = np.asarray(Image.fromarray(crop).resize((size, size), Image.Resampling.BOX))
    pad = INPUT - size
    wide = np.pad(small, ((pad // 2, pad - pad // 2), (pad // 2, pad - pad // 2), (0, 0)), mode="edge")
    reading = load_face_network()(torch.from_numpy(wide).permute(2, 0, 1)[None].float() / 127.5 - 1)
    full = torch.nn.functional.interpolate(torch.sigmoid(reading.mask), (INPUT, INPUT), mode="bilinear")[0, 0]
    inner = full[pad // 2: pad // 2 + size, pad // 2: pad // 2 + size].numpy()
    return np.asarray(Image.fromarray(inner).resize(crop.shape[1::-1], Image.Resampling.BICUBIC)).clip(0, 1)


def head_mask(crop: np.ndarray, landmarks: np.ndarray | None = None, iterations: int = 4) -> np.ndarray:
    """Separate head, hair and neck from the background.

    Args:
        crop: uint8 ``[R, R, 3]``, aligned.
        landmarks: ``[6, 2]`` in crop pixels; what lies between them is head for certain.

    Returns:
        uint8 ``[R, R]``, 255 = head, with soft edges.
    """
    import cv2

    size = crop.shape[0]
    coarse = coarse_mask(crop)
    labels = np.where(coarse > 0.5, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[coarse < 0.02] = cv2.GC_BGD
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
