import torch

from symgan_core.generator import TriPlaneGenerator, load_generator
from symgan_core.inversion.reading import points_difference


def a_face(generator: TriPlaneGenerator) -> torch.Tensor:
    with torch.no_grad():
        ws = generator.mapping(torch.zeros(1, generator.config.z_dim), generator.frontal_camera())
        return generator.synthesis(ws, generator.frontal_camera()).image


def test_a_face_that_is_shifted_is_pulled_back_from_far_away() -> None:
    face = a_face(load_generator())
    assert points_difference(face, face) < 1e-3
    found = [float(points_difference(face.roll(shift, 2), face)) for shift in (8, 24)]
    assert all(abs(away - shift / 256) < 0.012 for away, shift in zip(found, (8, 24), strict=True)), found

    step = torch.zeros(2, requires_grad=True)
    theta = torch.cat([torch.eye(2), step[:, None]], 1)[None]
    grid = torch.nn.functional.affine_grid(theta, face.shape, align_corners=False)
    moved = torch.nn.functional.grid_sample(face.roll(24, 2), grid, align_corners=False, padding_mode="border")
    points_difference(moved, face).backward()
    # What was moved down comes up when the places that are looked up lie further down.
    assert step.grad[1] < 0 and step.grad[1].abs() > 2 * step.grad[0].abs()
