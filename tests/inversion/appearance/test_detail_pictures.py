"""The pictures whose detail a head shows."""

import numpy as np
import torch

from symgan_core.faces import shares_of
from symgan_core.generator import Head, load_generator
from symgan_core.geometry import Camera
from symgan_core.inversion import METHODS, make_target, to_uint8
from symgan_core.inversion.appearance.detail_pictures import detail_pictures, reflected_places
from symgan_core.inversion.appearance.mirror_alignment import SIZE, mirror_field, warped
from symgan_core.inversion.target.make import PhotoMaps
from symgan_core.inversion.views.warping import PhotoWarp
from tests.inversion.heads import photo_of


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


def test_hair_goes_on_beyond_the_border_without_a_band() -> None:
    generator = load_generator("builtin", "cpu")
    image, mask, camera = photo_of(generator, 0)
    hair = shares_of(torch.from_numpy(image).permute(2, 0, 1)[None] / 127.5 - 1, ("hair",))[0][0, 0]
    hair = torch.nn.functional.interpolate(hair[None, None], image.shape[:2], mode="bilinear")[0, 0].numpy()
    image = np.where((hair > 0.3)[..., None], np.uint8([40, 200, 60]), image)  # unlike the head's own
    border = int(np.flatnonzero((hair > 0.5).sum(1) > 20)[0]) + 16
    in_frame = np.arange(image.shape[0])[:, None].repeat(image.shape[0], 1) >= border
    target = make_target(image, camera, mask, generator, PhotoMaps(in_frame=in_frame, hair=hair))
    w = generator.backbone.mapping.w_avg[None, None].expand(1, generator.config.num_ws, -1)
    photo = detail_pictures(Head.of(generator, w), target, PhotoWarp())[0]
    scale = photo.image.shape[-1] // image.shape[0]
    middle = slice(120 * scale, 136 * scale)
    rows = photo.image[0, :, (border - 8) * scale : (border + 4) * scale, middle].mean(2)  # 8 pixels beyond the border to 4 within it
    assert (rows[1] - rows[0]).min() > 0.4, rows[1] - rows[0]  # green all along
    trust = torch.nn.functional.interpolate(photo.trust, photo.image.shape[2:])[0, 0, (border - 4) * scale : (border + 4) * scale, middle]
    assert trust.min() > 0.9


def test_a_head_that_is_wider_than_the_photos_gets_no_white_line() -> None:
    """The photo shows wall in a bite out of the hair, where the head has some: the bite's rim is drawn on the head, and not on white."""
    generator = load_generator("builtin", "cpu")
    image, mask, camera = photo_of(generator, 0)
    top = int(np.flatnonzero((mask > 128).sum(1) > 40)[0])
    bitten = mask.copy()
    bitten[: top + 14, 116:140] = 0
    w = generator.backbone.mapping.w_avg[None, None].expand(1, generator.config.num_ws, -1)
    whole, photo = (detail_pictures(Head.of(generator, w), make_target(image, camera, alpha, generator), PhotoWarp())[0]
                    for alpha in (mask, bitten))
    scale = photo.image.shape[-1] // image.shape[0]
    rows, columns = slice((top + 6) * scale, (top + 20) * scale), slice(110 * scale, 146 * scale)
    assert photo.mask[..., rows, columns].min() > 0.9
    assert whole.image[..., rows, columns].max() < 0 and photo.image[..., rows, columns].max() < 0
