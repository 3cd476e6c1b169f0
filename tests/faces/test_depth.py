"""The depth of faces, read by MediaPipe's mesh."""

import numpy as np
import pytest
import torch

from symgan_core.faces import FaceCrop, read_face_depth
from symgan_core.faces.depth import CORNERS, DEEPENED, _corrected, mesh_triangles
from symgan_core.faces.mesh import mean_head
from symgan_core.generator import load_generator
from symgan_core.geometry import vertex_normals
from symgan_core.inversion import prepare_photo


@pytest.fixture(scope="module")
def crop(astronaut: np.ndarray) -> FaceCrop:
    return prepare_photo(astronaut, load_generator())


@pytest.fixture(scope="module")
def depth(crop: FaceCrop) -> torch.Tensor:
    return read_face_depth(torch.from_numpy(crop.image.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1)


def test_a_nose_is_nearer_than_its_bridge_and_the_lips(depth: torch.Tensor, crop: FaceCrop) -> None:
    away, trust = depth[0].numpy()

    def at(point: int) -> float:
        x, y = crop.contour[point].astype(int)
        assert trust[y, x] > 0
        return float(away[y, x])

    eyes = np.hypot(*(crop.contour[36:42].mean(0) - crop.contour[42:48].mean(0))) / 256
    nose, bridge, lips = at(30), at(27), at(51)
    assert 0.2 * eyes < bridge - nose < 0.7 * eyes and nose < lips


def test_faces_stand_out_less_than_the_network_says_and_are_turned_as_it_says() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 256, (468, 2))
    plane = points @ (0.3, -0.1) + 5
    relief = rng.normal(0, 10, 468)
    relief[CORNERS] = 0
    assert np.allclose(_corrected(points, plane + relief), plane + relief / DEEPENED)


def test_it_counts_on_the_face_alone(depth: torch.Tensor) -> None:
    trust = depth[0, 1]
    assert float(trust.max()) <= 1 and 0.05 < float((trust > 0.5).float().mean()) < 0.4
    assert float(trust[:10].max()) == float(trust[-10:].max()) == float(trust[:, :10].max()) == 0


def test_where_no_face_is_nothing_is_read() -> None:
    assert read_face_depth(torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(0)) * 2 - 1) is None


def test_the_meshs_normals_point_out_of_the_face() -> None:
    """Of the mean head, whose z is towards the viewer."""
    head = mean_head()[0].double().numpy()
    normals = vertex_normals(head * [1, -1, -1], mesh_triangles())
    assert np.allclose(np.linalg.norm(normals, axis=1), 1)
    outwards = (head - head.mean(0) + [0, 0, 0.1]) * [1, -1, -1]
    assert ((normals * outwards).sum(1) > 0).mean() > 0.9
    corners = mesh_triangles()
    assert len(np.unique(corners)) == 468 and len(corners) > 800
