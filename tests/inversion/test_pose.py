"""Where the camera is, from the points of the face."""

import pytest
import torch

from symgan_core.faces import look_closer
from symgan_core.generator import TriPlaneGenerator, load_generator
from symgan_core.geometry import Camera
from symgan_core.inversion.pose import CAMERA_LIMITS, adjusted_camera, camera_from_points, move_read


@pytest.fixture(scope="module")
def builtin() -> TriPlaneGenerator:
    return load_generator()


@pytest.mark.parametrize(("number", "far", "within"), [
    (0, 8.0, 1.5), (1, 6.0, 1.5), (2, 0.04, 0.012), (3, 0.04, 0.012), (4, 0.08, 0.03), (5, 10.0, 2.5)])
def test_a_move_is_read_as_it_was_made(builtin: TriPlaneGenerator, number: int, far: float, within: float) -> None:
    """Yaw, pitch, to the right, down, zoom, roll: each with its sign."""
    right, limits = Camera.orbit(12, 4).vector(), torch.tensor(CAMERA_LIMITS)
    z = torch.randn(1, builtin.config.z_dim, generator=torch.Generator().manual_seed(3))
    move = torch.atanh(far * torch.eye(6)[number] / limits)
    with torch.no_grad():
        photo = builtin.synthesis(builtin.mapping(z, right), adjusted_camera(right, move)).image
    read = torch.tanh(move_read(look_closer(photo.clamp(-1, 1)), right, 256)) * limits
    assert float(read[number]) == pytest.approx(far, abs=within)


@pytest.mark.parametrize(("yaw", "across"), [(8.0, 0.04), (-8.0, 0.04), (0.0, -0.04)])
def test_most_of_a_wrong_start_is_undone_by_the_points(builtin: TriPlaneGenerator, yaw: float, across: float) -> None:
    """The head that is turned is half-way between the mean one and the one that the photo shows."""
    right = Camera.orbit(12, 4).vector()
    z = torch.randn(1, builtin.config.z_dim, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        mean, ws = (builtin.mapping(x, right) for x in (torch.zeros_like(z), z))
        photo = builtin.synthesis(ws, right).image
    wrong = torch.tensor([yaw, 0, across, 0, 0, 0]) / torch.tensor(CAMERA_LIMITS)
    start = adjusted_camera(right, -torch.atanh(wrong))
    found = adjusted_camera(start, camera_from_points(builtin, (mean + ws) / 2, start, photo))
    (was, _), (began, _), (ended, pitch) = (Camera.from_vector(c).yaw_pitch() for c in (right, start, found))
    assert abs(was - began) == pytest.approx(abs(yaw), abs=0.1) and float(start[0, 18]) == pytest.approx(0.5 - across, abs=1e-3)
    assert abs(ended - was) < 1.5 and abs(pitch - 4) < 2 and abs(float(found[0, 18]) - 0.5) < 0.012
