"""Which way a surface faces, on a sphere."""

import torch

from symgan_core.geometry import Camera, facing, surface_normals
from tests.inversion.sphere import RADIUS, points_seen, sphere_depth


def test_normals_of_a_sphere_point_outwards_and_face_as_they_do() -> None:
    camera = Camera.orbit(15, 0).vector()
    normals, points = surface_normals(sphere_depth(camera), camera)[0].permute(1, 2, 0), points_seen(camera)
    sight = torch.nn.functional.normalize(Camera.from_vector(camera).position()[0] - points, dim=-1)
    cosine = (points / RADIUS * sight).sum(-1)
    inner = (points.norm(dim=-1) < RADIUS + 1e-3) & (cosine > 0.5)
    assert inner.sum() > 300
    assert (normals * points / RADIUS).sum(-1)[inner].quantile(0.02) > 0.97
    assert (facing(sphere_depth(camera), camera)[0, 0] - cosine)[inner].abs().quantile(0.98) < 0.05
