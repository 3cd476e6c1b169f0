"""What a photo makes hard, said before time is spent on it."""

from __future__ import annotations

import numpy as np
from PIL import Image

from .align import FaceCrop

SMALL = 150
"""Pixels of the photo in a side of the frame, below which detail is missing."""
BLURRED = 6.0
"""Standard deviation of the Laplacian of the face at 256 pixels, grey levels, below which it is soft."""
CUT_OFF = 0.12
"""Share of the frame outside the photo."""
ONE_SIDED = 0.75
"""Logarithm of the brightness of one half of the face over the other's."""
FAR_TURNED = 45.0
STEEP = 25.0
SENTENCES = {
    "doubtful": "It is not certain that this is a person's face: animals, drawings and things come out wrong.",
    "turned": "The face is turned away by {value:.0f} degrees: the far side will be a guess.",
    "above": "The face is seen from above by {value:.0f} degrees: a level photo works better.",
    "below": "The face is seen from below by {value:.0f} degrees: a level photo works better.",
    "small": "The head is only {value:.0f} pixels wide: fine detail will be missing.",
    "blurred": "The face is blurred: so will the result be.",
    "cut_off": "Part of the head lies outside the photo and will be made up.",
    "one_sided": "The light comes strongly from one side: the dark side shows little."}
"""English ones for the names of ``crop_hints``."""


def crop_advice(crop: FaceCrop) -> list[str]:
    """Sentences for the user, most important first; none for a good photo."""
    return [SENTENCES[name].format(value=value) for name, value in crop_hints(crop)]


def crop_hints(crop: FaceCrop) -> list[tuple[str, float]]:
    """What makes a photo hard, most important first: a name of ``SENTENCES`` and the number that the sentence tells."""
    side = float(np.hypot(*crop.frame[:2]))
    yaw, pitch = crop.camera.yaw_pitch()
    out: list[tuple[str, float]] = [("doubtful", crop.face.score)] if crop.face.doubtful else []
    if abs(yaw) > FAR_TURNED:
        out.append(("turned", abs(yaw)))
    if abs(pitch) > STEEP:
        out.append(("above" if pitch > 0 else "below", abs(pitch)))
    if side < SMALL:
        out.append(("small", side))
    elif (sharp := sharpness(crop)) < BLURRED:
        out.append(("blurred", sharp))
    if (inside := float(crop.inside.mean())) < 1 - CUT_OFF:
        out.append(("cut_off", inside))
    if abs(light := side_light(crop)) > ONE_SIDED:
        out.append(("one_sided", light))
    return out


def sharpness(crop: FaceCrop) -> float:
    """Standard deviation of the Laplacian inside the face, grey levels at 256 pixels."""
    grey = np.asarray(Image.fromarray(crop.image).convert("L").resize((256, 256), Image.Resampling.BOX), np.float32)
    laplacian = 4 * grey[1:-1, 1:-1] - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    points = crop.landmarks * (256 / crop.image.shape[0])
    low, high = points.min(0), points.max(0)
    (x0, y0), (x1, y1) = np.clip(low, 0, 250).astype(int), np.clip(high, 4, 254).astype(int)
    inner = laplacian[min(y0, y1 - 3): y1, min(x0, x1 - 3): x1]
    return float(inner.std())


def side_light(crop: FaceCrop) -> float:
    """Logarithm of the brightness around the right eye's cheek over the left one's, of the picture's two halves of the face."""
    grey = crop.image.astype(np.float32).mean(-1) + 8
    eyes, mouth = crop.landmarks[:2], crop.landmarks[3:5]
    radius = max(2, int(0.18 * np.linalg.norm(eyes[1] - eyes[0])))
    means = []
    for eye, corner in zip(eyes, mouth, strict=True):
        x, y = (0.5 * (eye + corner)).round().astype(int)
        patch = grey[max(0, y - radius): y + radius + 1, max(0, x - radius): x + radius + 1]
        means.append(float(patch.mean()) if patch.size else 1.0)
    return float(np.log(means[0] / means[1]))
