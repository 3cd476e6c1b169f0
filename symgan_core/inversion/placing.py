"""Before the first step: the camera and the features of the face, from where the photo has the points of its face."""

from __future__ import annotations

import torch
from torch import Tensor

from ..faces import look_closer
from ..faces.closeup import Closeup
from ..faces.maps import JAW, LANDMARKS
from ..generator import TriPlaneGenerator
from ..generator.traits import Traits, traits_of
from ..geometry import project
from ..geometry.warp import sample_image, unproject
from .pose import adjusted_camera, move_read

FACE = slice(JAW, LANDMARKS)
"""Points that stay where they are on the head when it turns; the outline of the jaw does not."""
ROUNDS, STEPS = 2, 8
"""The head is rendered so many times; so many steps of Gauss and Newton after each."""
OUTLIER = 0.012
"""A point that is off by more than this, in picture widths, counts less."""
TRUST = (1e-2, 5e-3, 1e-2, 5e-3, 3e-3, 1e-2)
"""Weight of the squared distance from the move that the second look's pose and frame ask for, beside squared distances of the points:
either alone is wrong by half as much again as both together."""
NOISE = 0.006
"""The error of a point, in picture widths, that a trait moves by one deviation to explain."""
FARTHEST = 3.5
"""Traits are not moved farther from the mean than so many deviations."""
KNOWN = 1e6
"""Weight of a camera that is not to move."""
OPEN = {"mouth-open": (2, 0.02), "mouth-corner-puller": (0, 0.35)}
"""Among the expression's numbers, what opens a mouth, and from how much on (``training/heads/people.py``)."""
OPENING = 0.1
"""So much more, and it is open."""


@torch.no_grad()
def place_face(generator: TriPlaneGenerator, ws: Tensor, camera: Tensor, photo: Tensor, camera_too: bool) -> tuple[Tensor, Tensor]:
    """The move ``[6]`` of the camera, and the codes, with which the head has the points of its face where the photo has them.

    A wrong camera moves all points together; how they lie to each other is the face's shape and expression, and the built-in generator's
    w says how each point goes with those (``Traits.slopes``). Both are found at once, by least squares, near what was read or guessed:
    the classical fit of a linear face model (Blanz and Vetter 1999), to points of the photo and of a render that one network reads.

    Args:
        ws: ``[1, num_ws, w_dim]``, the same in all rows; camera: ``[1, 25]``.
        photo: ``[1, 3, H, W]`` in [-1, 1], framed as the built-in generator frames heads.
        camera_too: False leaves it where it is (the move is zero).
    """
    device, traits = generator.device, traits_of(generator.config)
    samples, resolution = generator.config.draft_samples, generator.config.draft_resolution
    close = look_closer(photo.clamp(-1, 1).cpu())
    read = move_read(close, camera, photo.shape[-1]).to(device) if camera_too else torch.zeros(6, device=device)
    wanted, wanted_seen = (x.to(device) for x in _points(close, photo.shape[-1]))
    moving, slopes = (slice(0), ws.new_zeros(len(wanted), 3, 0)) if traits is None else (traits.moving, traits.slopes[FACE].to(ws))
    trust = torch.cat([ws.new_tensor(TRUST) if camera_too else ws.new_full((6,), KNOWN), ws.new_full(slopes.shape[2:], NOISE**2)])
    move, moved = read.clone(), ws
    for _ in range(ROUNDS):
        seen_from, planes = adjusted_camera(camera, move), generator.planes(moved)
        out = generator.view(planes, moved, seen_from, resolution, samples=samples, grid=generator.density_grid(planes))
        found, found_seen = (x.to(device) for x in _points(look_closer(out.image.clamp(-1, 1).cpu()), resolution))
        places = sample_image(unproject(out.image_depth, seen_from).permute(0, 3, 1, 2), found[None, None])[0, :, 0].T
        home = torch.cat([read, (ws - moved)[0, 0, moving]])
        fitted = _fit(places, slopes, wanted, wanted_seen * found_seen, camera, move, home, trust)
        move = fitted[:6] if camera_too else move
        if traits is not None:
            moved = _within(moved[0, 0], fitted[6:], generator, traits).expand_as(ws)
    return move, moved


def _points(close: Closeup, side: int) -> tuple[Tensor, Tensor]:
    """Points of the face ``[P, 2]`` in picture widths, and the chance that each is seen."""
    return torch.from_numpy(close.landmarks[FACE] / side).float(), torch.from_numpy(close.visible[FACE]).float()


def _fit(places: Tensor, slopes: Tensor, wanted: Tensor, weights: Tensor, camera: Tensor, move: Tensor, home: Tensor,
         trust: Tensor) -> Tensor:
    """``[6 + T]``: the move, and the change of T traits, for which ``places [P, 3]`` and what the traits add to them (``slopes
    [P, 3, T]``) project to ``wanted [P, 2]``: least squares, with outliers held back (Cauchy's weights), and with ``trust`` in ``home``,
    both ``[6 + T]``."""
    def off(at: Tensor) -> Tensor:
        return project((places + slopes @ at[6:])[None], adjusted_camera(camera, at[:6]))[0][0] - wanted

    at = torch.cat([move, move.new_zeros(slopes.shape[2])])
    for _ in range(STEPS):
        left = off(at)
        weight = (weights / (1 + (left.norm(dim=1) / OUTLIER).square()))[:, None, None]
        slope = torch.autograd.functional.jacobian(off, at, vectorize=True)
        pull = (weight * slope).flatten(0, 1).T
        at = at - torch.linalg.solve(pull @ slope.flatten(0, 1) + torch.diag(trust), pull @ left.flatten() + trust * (at - home))
        at[:6] = at[:6].clamp(-2, 2)  # within its limits a move has a gradient
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
