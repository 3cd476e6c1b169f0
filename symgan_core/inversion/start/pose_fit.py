"""The camera and the features of the face, from where the photo has the points of its face: before the first step, and in each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...faces import look_closer, with_fitted_head
from ...faces.closeup import Closeup
from ...faces.maps import JAW, LANDMARKS
from ...generator import TriPlaneGenerator
from ...generator.traits import Traits
from ...geometry import project
from ...geometry.warp import sample_image, unproject
from ..preparation import Preparation
from ..rendering import draft
from .camera import adjusted_camera, read_camera_delta

if TYPE_CHECKING:
    from ..state import PivotStage

FACE = slice(JAW, LANDMARKS)
"""Points that stay where they are on the head when it turns; the outline of the jaw does not."""
ROUNDS, STEPS = 2, 8
"""The head is rendered so many times; so many steps of Gauss and Newton after each."""
OUTLIER = 0.012
"""A point that is off by more than this, in picture widths, counts less."""
TRUST = (1e-2, 5e-3, 1e-2, 5e-3, 3e-3, 1e-2)
"""Weight of the squared distance from the camera that the refinement network's pose and frame ask for, beside squared distances of the
points: either alone is wrong by half as much again as both together."""
CUT_OFF = 0.1
"""Share of the frame that lies outside of the photo, from which on the refinement network does not see where the frame ends, and errs by
several percent; the mean head that is fitted to the face's mesh needs the face alone (``faces.with_fitted_head``)."""
NOISE = 0.006
"""The error of a point, in picture widths; to explain one so large, a trait moves by one deviation."""
FARTHEST = 3.5
"""Traits are not moved farther from the mean than so many deviations."""
KNOWN = 1e6
"""Weight of a camera that is not to move."""
OPEN = {"mouth-open": (2, 0.02), "mouth-corner-puller": (0, 0.35)}
"""Among the expression's numbers, what opens a mouth, and from how much on (``training/heads/people.py``)."""
OPENING = 0.1
"""So much more, and it is open."""


@dataclass(frozen=True)
class PoseFit(Preparation):
    """Camera (if it may move), shape and expression are such that the points of the face lie as they do in the photo."""

    def apply(self, stage: PivotStage) -> None:
        """Change code and camera of the state."""
        state, target, points, moves = stage.state, stage.target, stage.landmarks, stage.method.pivot.optimize_camera
        if points is None:
            return
        state.camera_delta, state.ws = fit_pose(stage.generator, state.ws, target.camera, points, moves)
        if moves:
            state.camera = adjusted_camera(target.camera, state.camera_delta)


@torch.no_grad()
def fit_pose(generator: TriPlaneGenerator, ws: Tensor, camera: Tensor, points: FacePoints, camera_too: bool) -> tuple[Tensor, Tensor]:
    """The change ``[6]`` of the camera, and the codes, with which the head has the points of its face where the photo has them.

    A wrong camera moves all points together; how they lie to each other is the face's shape and expression, and the built-in generator's
    w says how each point goes with those (``Traits.slopes``). Both are found at once, by least squares, near what was read or guessed:
    the classical fit of a linear face model (Blanz and Vetter 1999), to points of the photo and of a render that one network reads.

    Args:
        ws: ``[1, num_ws, w_dim]``, the same in all rows; camera: ``[1, 25]``.
        points: of the photo.
        camera_too: False leaves it where it is (the change is zero).
    """
    traits = generator.traits
    read = read_camera_delta(points.pose, camera, points.side).to(ws) if camera_too else ws.new_zeros(6)
    trust = torch.cat([ws.new_tensor(TRUST) if camera_too else ws.new_full((6,), KNOWN), ws.new_full(points.slopes.shape[2:], NOISE**2)])
    delta, moved = read.clone(), ws
    for _ in range(ROUNDS):
        points.find(moved, adjusted_camera(camera, delta))
        home = torch.cat([read, (ws - moved)[0, 0, points.moving]])
        fitted = _fit(points, camera, delta, home, trust)
        delta = fitted[:6] if camera_too else delta
        if traits is not None:
            moved = _within(moved[0, 0], fitted[6:], generator, traits).expand_as(ws)
    return delta, moved


class FacePoints:
    """Where a photo has the points of its face, and where a head has them as its camera, shape and expression change.

    One network reads both, so what it reads wrong in a photo it reads as wrong in a render that looks like it.

    Attributes:
        pose: the reading of the photo, of ``side`` pixels: frame, yaw and pitch.
        slopes: ``[P, 3, T]``, world units: how the points go with the numbers of w that are ``moving`` (none where nobody knows).
    """

    def __init__(self, generator: TriPlaneGenerator, photo: Tensor, outside: float = 0.0):
        """``photo [1, 3, H, W]`` in [-1, 1], framed as the built-in generator frames heads; ``outside``: the share of that frame that lies
        outside of the photo."""
        self._generator, self.side = generator, photo.shape[-1]
        device, traits = generator.device, generator.traits
        picture = photo.clamp(-1, 1).cpu()
        close = look_closer(picture)
        self.pose = with_fitted_head(picture, close) if outside > CUT_OFF else close
        self._wanted, self._shown = (x.to(device) for x in _points(close, self.side))
        self.moving = slice(0) if traits is None else traits.moving
        self.slopes = torch.zeros(len(self._wanted), 3, 0) if traits is None else traits.slopes[FACE]
        self.slopes = self.slopes.to(device)

    @torch.no_grad()
    def find(self, ws: Tensor, camera: Tensor) -> None:
        """Render the head, and read its points there: ``residual`` counts from here."""
        out = draft(self._generator, ws, camera)
        found, seen = (x.to(ws.device) for x in _points(look_closer(out.image.clamp(-1, 1).cpu()), out.image.shape[-1]))
        self._places = sample_image(unproject(out.image_depth, camera).permute(0, 3, 1, 2), found[None, None])[0, :, 0].T
        self._weights, self._home = self._shown * seen, ws[0, 0, self.moving]

    def residual(self, change: Tensor, camera: Tensor) -> Tensor:
        """``[P, 2]``, picture widths: how far the points are from where the photo has them, with ``change [T]`` of the moving numbers."""
        return project((self._places + self.slopes @ change)[None], camera)[0][0] - self._wanted

    def weights(self, residual: Tensor) -> Tensor:
        """``[P]``: how far a point counts that is so far away, ``residual [P, 2]``: outliers are held back (Cauchy's weights)."""
        return self._weights / (1 + (residual.detach().norm(dim=1) / OUTLIER).square())

    def difference(self, ws: Tensor, camera: Tensor) -> Tensor:
        """Mean distance of the points of ``ws [1, num_ws, w_dim]`` seen from ``camera [1, 25]``, in picture widths; distances within the
        error of a reading hardly count."""
        residual = self.residual(ws[0, 0, self.moving] - self._home, camera)
        weights = self.weights(residual)
        return (residual.square().sum(1).add(NOISE**2).sqrt() * weights).sum() / weights.sum().clamp(min=1e-6)


def _points(close: Closeup, side: int) -> tuple[Tensor, Tensor]:
    """Points of the face ``[P, 2]`` in picture widths, and the chance that each is seen."""
    return torch.from_numpy(close.landmarks[FACE] / side).float(), torch.from_numpy(close.visible[FACE]).float()


def _fit(points: FacePoints, camera: Tensor, delta: Tensor, home: Tensor, trust: Tensor) -> Tensor:
    """``[6 + T]``: the changes of the camera and of T numbers of w, with which the points are where they are wanted: least squares, with
    ``trust`` in ``home``, both ``[6 + T]``."""
    def residual(at: Tensor) -> Tensor:
        return points.residual(at[6:], adjusted_camera(camera, at[:6]))

    at = torch.cat([delta, delta.new_zeros(len(home) - 6)])
    for _ in range(STEPS):
        left = residual(at)
        slope = torch.autograd.functional.jacobian(residual, at, vectorize=True)
        pull = (points.weights(left)[:, None, None] * slope).flatten(0, 1).T
        at = at - torch.linalg.solve(pull @ slope.flatten(0, 1) + torch.diag(trust), pull @ left.flatten() + trust * (at - home))
        at[:6] = at[:6].clamp(-2, 2)  # within its limits a change has a gradient
    return at


def _within(w: Tensor, change: Tensor, generator: TriPlaneGenerator, traits: Traits) -> Tensor:
    """``w [w_dim]`` with its moving traits changed, as far as people go; expressions do not go below none, and an open mouth is open."""
    out, mean = w.clone(), generator.backbone.mapping.w_avg
    out[traits.moving] = torch.maximum(torch.minimum(w[traits.moving] + change, mean[traits.moving] + FARTHEST),
                                       mean[traits.moving] - FARTHEST)
    found = traits.read(out)
    shown = found[traits.places["expression"]].clamp_(min=0)
    opened = max(float((shown[number] - above) / OPENING) for number, above in OPEN.values())
    found[traits.places["teeth"]] = max(float(found[traits.places["teeth"]]), min(1.0, opened))
    return traits.write(found)
