"""The pictures whose detail a head shows."""

import torch

from symgan_core.generator import Head, load_generator
from symgan_core.geometry import Camera
from symgan_core.inversion import METHODS, make_target, to_uint8
from symgan_core.inversion.appearance.detail_pictures import detail_pictures, reflected_places
from symgan_core.inversion.appearance.mirror_alignment import SIZE, mirror_field, warped
from symgan_core.inversion.views.warping import PhotoWarp


def test_places_beyond_the_border_are_reflected_at_its_nearest_point() -> None:
    beyond = torch.zeros(1, 1, 8, 8)
    beyond[..., :3, :] = 1
    places = reflected_places(beyond)[0]
    assert torch.allclose(places[5, 2], torch.tensor([2.5, 5.5]) / 8)  # its own
    assert torch.allclose(places[2, 2], torch.tensor([2.5, 4.5]) / 8) and torch.allclose(places[0, 6], torch.tensor([6.5, 6.5]) / 8)


def test_the_mirror_image_of_a_symmetric_head_fits_it() -> None:
    generator = load_generator("builtin", "cpu")
    camera = Camera.orbit(28, 0).vector()
    w = generator.backbone.mapping.w_avg[None, None].expand(1, generator.config.num_ws, -1)
    with torch.no_grad():
        out = generator.synthesis(w, camera)
    mask = (torch.nn.functional.interpolate(out.image_opacity, out.image.shape[2:])[0, 0].clamp(0, 1) * 255).byte().numpy()
    target = make_target(to_uint8(out.image), camera[0], mask, generator)
    field = mirror_field(generator, w, target)
    own = warped(torch.linspace(0, 1, 64)[None, None, None].expand(1, 1, 64, 64).contiguous(), field)
    assert field.shape == (1, SIZE, SIZE, 2)
    assert (own - torch.linspace(0, 1, 64)).abs().max() < 0.03  # the mean head is all but symmetric

    pictures = detail_pictures(Head.of(generator, w), target, METHODS["spi"].warp)
    assert [p.fine for p in pictures] == [False, True] and all(p.image.shape[-1] == 512 for p in pictures)
    assert abs(Camera.from_vector(pictures[1].camera).yaw_pitch()[0] + 28) < 0.1
    assert len(detail_pictures(Head.of(generator, w), target, PhotoWarp())) == 1
