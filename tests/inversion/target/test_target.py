from dataclasses import replace

import numpy as np
import pytest
import torch

from symgan_core.generator import TriPlaneGenerator
from symgan_core.inversion import (
    Inversion,
    PhotoMaps,
    make_target,
    to_uint8,
)
from symgan_core.inversion.target.parts import PartsShown
from symgan_core.inversion.target.target import fill_from_render
from tests.inversion.heads import photo_of, short


def test_what_turns_away_is_not_painted_nor_another_class_there(tiny: TriPlaneGenerator) -> None:
    image, mask, camera = photo_of(tiny, 0)
    nothing, hair = np.zeros((64, 64), np.float32), np.zeros((64, 64), np.float32)
    hair[:32] = 1
    target = make_target(image, camera, np.full_like(mask, 255), tiny, PhotoMaps(body=nothing, hair=hair, skin=1 - hair))
    maps, facing = torch.ones(1, 1, 64, 64), torch.ones(1, 1, 64, 64)
    facing[..., :8], facing[..., 8:24] = 0.1, 0.35  # a strip edge-on, one that turns away, and what is seen squarely
    foreign = target.clip_torso(PartsShown(maps, 0 * maps, 0 * maps, maps, facing)).occluder_mask  # the generator shows skin alone
    assert (foreign[..., :8] == 1).all() and (foreign[..., :32, 8:24] == 1).all()
    assert foreign[..., 34:, 9:].max() == foreign[..., 26:].max() == 0


def test_beyond_the_photo_the_render_is_the_aim(tiny: TriPlaneGenerator) -> None:
    image, mask, camera = photo_of(tiny, 0)
    inside = np.ones((32, 32), bool)
    inside[:8] = False
    target = make_target(image, camera, np.full_like(mask, 255), tiny, PhotoMaps(in_frame=inside))
    edge = target.image.shape[-1] // 4
    assert target.mask[..., :edge, :].max() == 0 and target.mask[..., edge:, :].min() == 1
    assert torch.equal(target.image, make_target(image, camera, np.full_like(mask, 255), tiny).image)  # there to be read
    assert make_target(image, camera, mask, tiny, PhotoMaps(in_frame=np.ones((32, 32), bool))).out_of_frame is None
    drawn, opacity = torch.zeros_like(target.image, requires_grad=True), torch.full((1, 1, 16, 16), 0.5, requires_grad=True)
    aim, solid = fill_from_render(target.image, target.mask, drawn, opacity, target.out_of_frame)
    assert (aim[..., :edge, :] == 0).all() and torch.equal(aim[..., edge:, :], target.image[..., edge:, :]) and not aim.requires_grad
    assert (solid[..., :edge, :] == 0.5).all() and (solid[..., edge:, :] == 1).all() and not solid.requires_grad
    assert torch.equal(target.mirrored().out_of_frame, target.out_of_frame.flip(3))


def test_a_head_that_ends_within_the_photo_does_not_go_on_beyond_it(tiny: TriPlaneGenerator) -> None:
    image, mask, camera = photo_of(tiny, 0)
    inside = np.ones(mask.shape, bool)
    inside[:16] = False
    left = np.zeros_like(mask)
    left[:, :32] = 255  # only there does the head reach the border
    target = make_target(image, camera, left, tiny, PhotoMaps(in_frame=inside))
    beyond = target.out_of_frame
    assert beyond[..., :16, :30].min() == 1 and beyond[..., 40:].max() == beyond[..., 23:, :].max() == beyond[..., 17:, :30].max() == 0
    assert (target.image[..., :16, 34:] == 1).all() and target.outside == pytest.approx(0.25)
    hair = np.ones((32, 32), np.float32)
    dark = make_target(image, camera, left, tiny, PhotoMaps(in_frame=inside, hair=hair))
    assert dark.out_of_frame[..., :15, :].min() == 1  # whatever the mask says


def test_where_masks_disagree_nothing_is_learned(tiny: TriPlaneGenerator) -> None:
    """Beside a border that cuts the head, where masks fade, and where hair is shown that the mask leaves out."""
    image, mask, camera = photo_of(tiny, 0)
    inside, faded, hair = np.ones(mask.shape, bool), np.full_like(mask, 255), np.zeros((64, 64), np.float32)
    inside[:16], faded[:20], faded[40:, 40:] = False, 0, 0
    known = make_target(image, camera, faded, tiny, PhotoMaps(in_frame=inside)).out_of_frame
    assert known.max() == 0  # the head ends before the border
    hair[:20, :32] = 1
    cut = make_target(image, camera, faded, tiny, PhotoMaps(in_frame=inside, hair=hair)).out_of_frame
    assert cut[..., :19, :30].min() == 1 and cut[..., 24:, :].max() == cut[..., 42:].max() == 0
    hair[44:60, 44:60] = 1
    lost = make_target(image, camera, faded, tiny, PhotoMaps(in_frame=inside, hair=hair)).out_of_frame
    assert lost[..., 45:59, 45:59].min() == 1 and lost[..., 24:, :39].max() == 0


@pytest.mark.parametrize("method", ["spi", "pti"])
def test_what_lies_beyond_the_photo_is_not_learned(tiny: TriPlaneGenerator, method: str) -> None:
    """Whatever stands there, the head is the same, but for a trace where pictures are scaled."""
    image, mask, camera = photo_of(tiny, 15)
    inside, other = np.ones(mask.shape, bool), image.copy()
    inside[:, -12:] = False
    other[:, -12:] = 255 - other[:, -12:]

    def apart(known: np.ndarray | None) -> float:
        targets = [make_target(picture, camera, mask, tiny, PhotoMaps(in_frame=known)) for picture in (image, other)]
        heads = [Inversion(target, tiny, short(method, 4, 4)).finish().render(yaw=0).image for target in targets]
        return float((heads[0] - heads[1]).abs().mean())

    assert apart(inside) < 1e-3 < 0.2 * apart(None)


def test_a_body_beyond_the_generators_reach_is_left_out(tiny: TriPlaneGenerator) -> None:
    image, mask, camera = photo_of(tiny, 0)
    worn = np.zeros((32, 32), np.float32)
    worn[16:] = 1  # the lower half is worn
    target = make_target(image, camera, np.full_like(mask, 255), tiny, PhotoMaps(body=worn))
    opacity, body = torch.zeros(1, 1, 16, 16), torch.zeros(1, 1, 64, 64)
    opacity[..., :8] = 1  # the generator shows the left half
    body[..., 48:, :] = 1  # the lowest quarter is its body
    parts = PartsShown(opacity, torch.zeros_like(body), body, torch.zeros_like(body), torch.ones_like(opacity))
    bust = target.clip_torso(parts)
    assert (bust.mask[..., :30, :36] == 1).all() and (bust.mask[..., 34:, :30] == 1).all() and (bust.mask[..., 50:, :30] == 1).all()
    assert (bust.mask[..., :30, 36:] == 0).all() and (bust.picture[:, 3:, :230] == 1).all()  # far from the head: as detail alone
    assert (bust.mask[..., 34:, 40:] == 0).all() and (bust.mask[..., 36:42, 32:] == 0).all()  # beside a body; beside a jaw
    assert torch.allclose(bust.mask[..., 36:42, 31], torch.tensor(1 / 3))  # its margin, softened
    assert (bust.mask[..., 50:, 34:] == 0).all() and (bust.mask[..., 50:, 32] > 0).all()  # a body reaches little beyond the generator's
    assert (bust.image[..., 34:, 40:] == 1).all() and torch.equal(bust.image[..., :30, :], target.image[..., :30, :])
    occluder = bust.occluder_mask
    assert (occluder[..., 31, :30] == 1).all()  # in its shade
    assert (occluder[..., 34:46, :30] == 1).all() and occluder[..., :30, :].sum() == occluder[..., 50:, :].sum() == 0
    assert occluder[..., 34:].sum() == 0 and torch.equal(bust.supervised_mask, bust.mask * (1 - occluder))
    assert target.supervised_mask is target.mask
    plain = make_target(image, camera, mask, tiny)
    assert plain.clip_torso(parts) is plain
    assert torch.allclose(bust.mirrored().body, target.body.flip(3)) and torch.equal(bust.mirrored().occluder_mask, occluder.flip(3))


def test_what_hangs_beside_a_neck_without_hair_is_left_out(tiny: TriPlaneGenerator) -> None:
    image, mask, camera = photo_of(tiny, 0)
    hanging = np.zeros((32, 32), np.float32)
    hanging[16:, :8], hanging[16:, 20:] = 1, 1  # on both sides of the lower half
    target = make_target(image, camera, np.full_like(mask, 255), tiny, PhotoMaps(hair_candidates=hanging))
    opacity, hair = torch.zeros(1, 1, 16, 16), torch.zeros(1, 1, 64, 64)
    opacity[..., :12] = 1  # the generator leaves the right quarter empty
    hair[..., 44:48] = 1  # and has hair down to there, but for the lowest quarter
    hair[..., 48:, :] = 0
    told = target.remove_unsupported_hair(PartsShown(opacity, hair, *[torch.zeros_like(hair)] * 3))
    assert (told.mask[..., :31, :] == 1).all() and (told.mask[..., :46] == 1).all()  # above, and before the head
    assert (told.mask[..., 34:46, 49:52] == 1).all() and (told.mask[..., 34:, 56:] == 0).all()  # near hair, and far from it
    assert (told.mask[..., 58:, 50:] == 0).all()  # and where there is none so low
    assert (told.image[..., 34:, 56:] == 1).all() and torch.equal(told.image[..., :46], target.image[..., :46])
    assert torch.equal(told.mirrored().hair_candidates, target.hair_candidates.flip(3))
    plain = make_target(image, camera, mask, tiny)
    assert plain.remove_unsupported_hair(PartsShown(opacity, *[hair] * 4)) is plain


def test_the_backdrop_is_the_photos_without_the_head(tiny: TriPlaneGenerator, frontal: torch.Tensor) -> None:
    crop = np.full((64, 64, 3), (200, 20, 20), np.uint8)
    crop[:, 32:] = (20, 20, 200)
    mask = np.zeros((64, 64), np.uint8)
    crop[16:, 16:48], mask[16:, 16:48] = (0, 255, 0), 255
    backdrop = make_target(crop, frontal, mask, tiny).backdrop
    assert backdrop.shape == (1, 3, 16, 16) and backdrop[0, 1].max() < -0.7  # nothing green
    assert (backdrop[0, 0, :, :3] > 0.5).all() and (backdrop[0, 2, :, -3:] > 0.5).all()
    assert make_target(crop, frontal, None, tiny).backdrop is None


def test_a_generator_with_its_own_background_keeps_it(tiny: TriPlaneGenerator) -> None:
    generator = TriPlaneGenerator(replace(tiny.config, white_back=False))
    generator.load_state_dict(tiny.state_dict())
    generator.requires_grad_(False)
    image, mask, camera = photo_of(generator, 30)
    target = make_target(image, camera, mask, generator)
    assert (to_uint8(target.image).astype(int) - image).max() <= 1  # nothing is laid over white
    events = list(Inversion(target, generator, short("spi", 3, 4)))
    assert all(e.losses["opacity"] == 0 for e in events) and all(np.isfinite(list(e.losses.values())).all() for e in events)
