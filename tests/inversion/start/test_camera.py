"""Where the camera is, as the second look reads it."""

import pytest
import torch

from symgan_core.faces import look_closer
from symgan_core.generator import TriPlaneGenerator, load_generator
from symgan_core.geometry import Camera
from symgan_core.inversion.start.camera import CAMERA_LIMITS, adjusted_camera, read_camera_delta


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
    read = torch.tanh(read_camera_delta(look_closer(photo.clamp(-1, 1)), right, 256)) * limits
    assert float(read[number]) == pytest.approx(far, abs=within)
