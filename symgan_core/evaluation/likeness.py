"""How near a portrait comes to photos of the person: the given one, and others that the method has not seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..geometry import Camera, DepthView, unproject, warp_to_view
from ..inversion import Portrait3D, face_region, to_uint8
from ..losses import identity_similarity
from .metrics import lpips_distance, mean_metrics, picture_metrics, to_side
from .people import FINE, INNER, SIDE, Sitting, on_white, read_points, scaled, to_tensor
from .recognition import descriptor, identity_distance

REAL = ("lpips_face", "lpips_shared", "points", "identity_distance", "id")
"""Measures of ``score_truth``."""
TURNS, TILTS = (-10.0, -5.0, 0.0, 5.0, 10.0), (-6.0, 0.0, 6.0)
"""Degrees around the pose that was read, at which the search for a truth's camera begins."""
STEPS = ((2.5, 3.0), (1.25, 1.5))
"""Degrees of yaw and pitch by which it goes on around the best."""
MAX_YAW, MAX_PITCH = 85.0, 38.0
MARGIN = 9
"""The hull of the truth's points is made wider by a brush of so many pixels."""
LEAST_EYES = 0.12
"""Errors of points are told over the distance of the eyes, or over this share of the picture where a profile hides that."""
SHOWN = 0.5
"""Opacity or mask from which on a pixel shows the head."""
SHARP_TURN = 25.0
"""Sharpness is looked at after a turn of so many degrees, to either side of the photo's own view."""
SOLID, TOLERANCE, EDGE = 0.8, 0.03, 2
"""Opacity that is surface, world units by which depths may differ, and pixels left out along the edge of what the photo sees."""
LEAST_SEEN = 0.005
"""Share of the picture below which its sharpness is not told."""


def score_real(portrait: Portrait3D, given: Sitting, truths: list[Sitting]) -> dict[str, Any]:
    """A portrait of a real person.

    Returns:
        ``input``: ``picture_metrics`` of the given view at ``FINE`` pixels, head on white; ``sharpness`` (``sharpness_after_turns``);
        ``truths``: ``score_truth`` of each; ``real``: their mean.
    """
    own = on_white(to_side(portrait.render(portrait.camera).image.cpu(), FINE), given.alpha)
    each = [score_truth(portrait, truth) for truth in truths]
    real = mean_metrics([{key: one[key] for key in REAL} for one in each]) if each else dict.fromkeys(REAL)
    sharpness = sharpness_after_turns(portrait, given)
    return {"input": picture_metrics(own, given.on_white), "sharpness": sharpness, "real": real, "truths": each}


@torch.no_grad()
def score_truth(portrait: Portrait3D, truth: Sitting) -> dict[str, Any]:
    """The turned head beside a photo that the method has not seen.

    Returns:
        ``truth``, its file; ``yaw``, ``pitch`` of the view that fits (``fit_camera``); over the face (the hull of the truth's points, a
        little wider) ``lpips_face``: LPIPS (AlexNet), exposure matched; ``lpips_shared``: the same where both pictures show the head, for
        beside it one is white and the other is not; ``points``: mean distance of the inner points over the eyes' distance;
        ``identity_distance`` (dlib) and ``id`` (insightface's cosine), None where these are not installed.
    """
    import cv2

    fit = fit_camera(portrait, truth)
    moved = cv2.warpAffine(fit.image, fit.similarity, (SIDE, SIDE), flags=cv2.INTER_CUBIC, borderValue=(255, 255, 255))
    solid = cv2.warpAffine(fit.opacity, fit.similarity, (SIDE, SIDE)) > SHOWN
    inside = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillConvexPoly(inside, cv2.convexHull(truth.points[0].astype(np.float32)).astype(np.int32), 1)
    inside = cv2.dilate(inside, np.ones((MARGIN, MARGIN), np.uint8)) > 0
    shared = inside & solid & (to_side(torch.from_numpy(truth.crop.mask)[None, None] / 255, SIDE)[0, 0].numpy() > SHOWN)
    same = identity_distance(descriptor(moved), truth.descriptor)
    cosine = identity_similarity(moved, truth.image)
    return {"truth": truth.name, "yaw": round(fit.yaw, 1), "pitch": round(fit.pitch, 1),
            "lpips_face": lpips_within(inside, moved, truth.image), "lpips_shared": lpips_within(shared, moved, truth.image),
            "points": round(fit.error, 4),
            "identity_distance": None if same is None else round(same, 3), "id": None if cosine is None else round(cosine, 4)}


def lpips_within(region: np.ndarray, image: np.ndarray, truth: np.ndarray) -> float:
    """LPIPS (AlexNet) of ``image`` and ``truth``, both uint8 ``[S, S, 3]``, in a region, bool ``[S, S]``: grey beside it."""
    # The camera's exposure and white balance of that other photo are nobody's likeness.
    exposure = (truth[region].mean(0) + 1) / (image[region].mean(0) + 1)
    a, b = (np.where(region[..., None], x, 128).clip(0, 255).astype(np.uint8) for x in (image * exposure, truth))
    return round(lpips_distance(to_tensor(a), to_tensor(b)), 4)


@dataclass(frozen=True, eq=False)
class Fit:
    """A view of the head beside a truth: degrees, the render uint8 ``[SIDE, SIDE, 3]`` and its opacity ``[SIDE, SIDE]``, the
    ``similarity [2, 3]`` that takes its pixels to the truth's, and the mean distance of the inner points then, over the eyes' distance."""

    yaw: float
    pitch: float
    image: np.ndarray
    opacity: np.ndarray
    similarity: np.ndarray
    error: float


@torch.no_grad()
def fit_camera(portrait: Portrait3D, truth: Sitting) -> Fit:
    """The view whose inner points fit the truth's best after a similarity of the picture: so the head is judged, and not how well the
    truth's pose and frame were read. A grid around the pose that was read, then smaller and smaller steps around the best."""
    yaw, pitch = truth.yaw_pitch
    wanted, inner = truth.points
    tried: dict[tuple[float, float], Fit] = {}

    def at(turned: float, tilted: float) -> Fit:
        place = float(np.clip(turned, -MAX_YAW, MAX_YAW)), float(np.clip(tilted, -MAX_PITCH, MAX_PITCH))
        if place not in tried:
            view = portrait.render(yaw=place[0], pitch=place[1])
            image, opacity = scaled(to_uint8(view.image), SIDE), to_side(view.image_opacity, SIDE)[0, 0].cpu().numpy()
            tried[place] = Fit(*place, image, opacity, *similarity(read_points(image)[0], wanted, inner))
        return tried[place]

    best = min((at(yaw + turn, pitch + tilt) for turn in TURNS for tilt in TILTS), key=_error)
    for turn, tilt in STEPS:
        around = ((turn, 0), (-turn, 0), (0, tilt), (0, -tilt))
        while (better := min((at(best.yaw + a, best.pitch + b) for a, b in around), key=_error)).error < best.error:
            best = better
    return best


def _error(fit: Fit) -> float:
    return fit.error


def similarity(points: np.ndarray, wanted: np.ndarray, inner: np.ndarray, rounds: int = 10) -> tuple[np.ndarray, float]:
    """The similarity ``[2, 3]`` (turn, scale, shift) of the picture with the least mean distance of ``points`` from those ``wanted``, both
    ``[68, 2]`` in pixels of ``SIDE``, where ``inner [68]``; and that distance over the eyes'.

    Least squares, weighted anew by one over the distance: a single misread point moves nothing.
    """
    chosen = inner if inner.sum() >= 3 else np.arange(len(points)) >= INNER
    a, b = (x[chosen].astype(np.float64) @ (1, 1j) for x in (points, wanted))
    weights = np.ones(len(a))
    for _ in range(rounds):
        middle_a, middle_b = ((weights * x).sum() / weights.sum() for x in (a, b))
        turn = (weights * (b - middle_b) * (a - middle_a).conj()).sum() / max((weights * np.abs(a - middle_a) ** 2).sum(), 1e-9)
        shift = middle_b - turn * middle_a
        apart = np.abs(turn * a + shift - b)
        weights = 1 / np.maximum(apart, 0.1)
    eyes = max(float(np.linalg.norm(wanted[36:42].mean(0) - wanted[42:48].mean(0))), LEAST_EYES * SIDE)
    matrix = np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
    return matrix, float(apart.mean()) / eyes


@torch.no_grad()
def sharpness_after_turns(portrait: Portrait3D, given: Sitting) -> dict[str, float | None]:
    """How much of the photo's fine detail is left when the head turns: gradient energy (mean squared Sobel of grey, ``FINE`` pixels) of
    what the photo sees of the face, over that of the photo warped there through the rendered depth; 1 is as sharp as the photo.

    Returns:
        ``left`` and ``right``: ``SHARP_TURN`` degrees from the photo's view towards the person's left and right; ``mean``. None where the
        photo sees next to nothing.
    """
    device, own = portrait.ws.device, portrait.render(portrait.camera)
    photo, alpha = given.on_white.to(device), given.alpha.to(device)
    yaw, pitch = Camera.from_vector(portrait.camera).yaw_pitch()
    out: dict[str, float | None] = {}
    for side, turn in (("left", SHARP_TURN), ("right", -SHARP_TURN)):
        camera = portrait.orbit_camera(float(np.clip(yaw + turn, -MAX_YAW, MAX_YAW)), float(np.clip(pitch, -MAX_PITCH, MAX_PITCH)))
        seen = portrait.render(camera)
        warp = warp_to_view(photo, DepthView(portrait.camera, own.image_depth), DepthView(camera, seen.image_depth), alpha, TOLERANCE)
        face = face_region(unproject(to_side(seen.image_depth, FINE), camera))[:, None]
        shown = warp.visible * face * (to_side(seen.image_opacity, FINE) > SOLID)
        shown = -F.max_pool2d(-shown, 2 * EDGE + 1, 1, EDGE)
        here, there = (float((gradient_energy(x) * shown).sum()) for x in (to_side(seen.image.clamp(-1, 1), FINE), warp.image))
        out[side] = round(here / there, 4) if float(shown.mean()) > LEAST_SEEN and there > 0 else None
    return out | {"mean": mean_metrics([{"mean": value} for value in out.values()])["mean"]}


def gradient_energy(image: Tensor) -> Tensor:
    """``[1, 3, H, W]`` to ``[1, 1, H, W]``: squared Sobel gradient of the grey."""
    across = image.new_tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8
    grey = F.pad(image.mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    return F.conv2d(grey, torch.stack([across, across.T])[:, None]).square().sum(1, keepdim=True)
