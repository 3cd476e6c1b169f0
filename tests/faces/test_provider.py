"""A face provider of one's own, with public names alone."""

import numpy as np
import pytest
import torch

from symgan_core.errors import RequestError
from symgan_core.faces import Face, Pyramid, as_tensor, faces_in_frames, load_provider
from symgan_core.generator import TriPlaneGenerator
from symgan_core.inversion import prepare_photo


class OneSquare:
    """Knows where the astronaut's head is, and leaves the rest to the networks that ship."""

    name = "one-square"

    def find(self, photo: np.ndarray) -> list[Face]:
        return faces_in_frames(Pyramid(as_tensor(photo)), [(torch.tensor([220.0, 0.0, 230.0, 140.0]), 1.0)])


def test_a_package_can_name_its_own(tmp_path, monkeypatch) -> None:
    (tmp_path / "squares.py").write_text("from tests.faces.test_provider import OneSquare as Squares\n")
    info = tmp_path / "squares-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: squares\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[symgan.faces]\nsquares = squares:Squares\n")
    with pytest.raises(RequestError, match="no face provider 'squares'"):
        load_provider("squares")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("SYMGAN_FACES", "squares")
    assert load_provider().name == "one-square"
    with pytest.raises(RequestError, match="insightface, squares"):
        load_provider("circles")


def test_a_provider_of_ones_own_finds_the_face(astronaut: np.ndarray, tiny: TriPlaneGenerator) -> None:
    crop = prepare_photo(astronaut, tiny, provider=OneSquare())
    eyes = crop.face.landmarks[:2].mean(0)
    assert np.abs(eyes - (222, 113)).max() < 12, eyes
    assert crop.image.shape == (64, 64, 3) and crop.mask.max() == 255
