import pytest
import torch

from symgan_core.generator import TriPlaneGenerator, load_generator
from symgan_core.generator.traits import builtin_traits
from symgan_core.geometry import Camera
from symgan_core.inversion.start.encoder import BRAID, COMBED, GONE, PONYTAIL, with_haircut, without_nape_hair
from symgan_core.inversion.terms.empty_space import EmptySpaceLoss


@pytest.fixture(scope="module")
def builtin() -> TriPlaneGenerator:
    return load_generator()


def test_a_ponytail_that_grows_behind_short_hair_is_found_and_pulled_back(builtin: TriPlaneGenerator) -> None:
    traits, camera = builtin_traits(), Camera.orbit(0, 0).vector()
    mean = traits.read(builtin.backbone.mapping.w_avg)
    combed, tailed = (traits.write(with_haircut(mean, style, traits)).expand(1, builtin.config.num_ws, -1) for style in (COMBED, PONYTAIL))
    void = EmptySpaceLoss(builtin, combed, camera)
    with torch.no_grad():
        clean = float(void.opacity(builtin.planes(combed)))
    ws = torch.lerp(combed, tailed, 0.9).requires_grad_(True)
    grown = void.opacity(builtin.planes(ws))
    grown.backward()
    assert clean < 1e-3 and float(grown) > 10 * max(clean, 1e-4)
    with torch.no_grad():
        assert float(void.opacity(builtin.planes(ws - 0.05 * ws.grad / ws.grad.norm() * ws.numel() ** 0.5))) < 0.9 * float(grown)


def test_a_bob_is_to_have_no_tail(builtin: TriPlaneGenerator) -> None:
    traits, camera = builtin_traits(), Camera.orbit(0, 0).vector()
    mean = traits.read(builtin.backbone.mapping.w_avg)
    braid, combed = (traits.write(with_haircut(mean, style, traits)).expand(1, builtin.config.num_ws, -1) for style in (BRAID, COMBED))
    bare = without_nape_hair(braid, traits)
    assert without_nape_hair(combed, traits) is combed
    length = traits.places["hair_shape"].start
    assert float(traits.read(bare)[0, 3, length]) == pytest.approx(GONE, abs=1e-4)
    others = torch.arange(bare.shape[-1]) != length
    assert torch.allclose(bare[..., others], braid[..., others], atol=1e-4)
    with torch.no_grad():
        void = EmptySpaceLoss(builtin, bare, camera)
        assert float(void.opacity(builtin.planes(braid))) > 10 * max(1e-4, float(void.opacity(builtin.planes(bare))))


def test_what_the_photo_sees_is_not_its_business(builtin: TriPlaneGenerator) -> None:
    """All of its points are behind the head."""
    camera, ws = Camera.orbit(0, 0).vector(), builtin.backbone.mapping.w_avg.expand(1, builtin.config.num_ws, -1)
    void = EmptySpaceLoss(builtin, ws, camera)
    points = void._points
    assert len(points) > 1000 and float(points[:, 2].max()) < 0.2
    outline = builtin.render(builtin.planes(ws), camera, 64).opacity[0, 0] > 0.5
    width = outline.any(0).float().mean() * 2.7 / 4.2647  # of the head, in world units at its distance
    assert float(points[:, 0].abs().max()) < 0.75 * float(width)


def test_a_generator_without_a_grid_has_no_void(tiny: TriPlaneGenerator) -> None:
    assert tiny.config.density_grid is None
    ws = torch.zeros(1, tiny.config.num_ws, tiny.config.w_dim)
    void = EmptySpaceLoss(tiny, ws, tiny.frontal_camera())
    assert float(void.opacity(tiny.planes(ws))) == 0
