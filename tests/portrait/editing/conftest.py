"""A stored portrait like those of photos: a head of the built-in generator with an offset, a gate, and a picture with detail of its own."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from symgan_core.generator import Head, load_generator
from symgan_core.inversion.appearance.gate import surface_gate
from symgan_core.portrait import DetailPicture, Portrait3D

PERSON = 15
SIDE = 512


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Portrait3D:
    generator, rng = load_generator("builtin", "cpu"), torch.Generator().manual_seed(PERSON)
    camera = generator.frontal_camera()
    ws = generator.mapping(torch.randn(1, generator.config.z_dim, generator=rng), camera)
    with torch.no_grad():
        planes = generator.planes(ws)
        coarse = 0.3 * planes.std() * torch.randn(1, *planes.shape[1:3], 16, 16, generator=rng)
        offset = F.interpolate(coarse[0], planes.shape[-2:], mode="bicubic")[None]
        gate = surface_gate(Head(generator, ws, planes), [camera])
        plain = Portrait3D(generator, ws, camera, {"generator": "builtin"}, offset, None, gate)
        view = plain.render(camera)
        size = view.image.shape[-1]
        image, mask = (F.interpolate(x, (SIDE, SIDE), mode="bilinear") for x in (view.image, view.image_opacity))
        assert size == SIDE
        pores = 0.06 * torch.randn(1, 3, SIDE, SIDE, generator=rng) * mask
        picture = DetailPicture((image + pores).clamp(-1, 1), mask.clamp(0, 1), (mask > 0.95).float(), camera)
    folder = tmp_path_factory.mktemp("stored")
    Portrait3D(generator, ws, camera, {"generator": "builtin"}, offset, None, gate, (picture,)).save(folder)
    return Portrait3D.load(folder, "cpu", generator)
