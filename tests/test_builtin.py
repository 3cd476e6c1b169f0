"""What the shipped weights must show: heads, not fog. Loose on purpose, but a flat or empty generator fails."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from symgan_core.editing import (
    BUILTIN_DIRECTIONS,
    Direction,
    Directions,
    directions_for,
    edit_ws,
    list_directions,
    load_directions,
    save_directions,
)
from symgan_core.errors import CheckpointError, RequestError
from symgan_core.generator import TriPlaneGenerator, load_generator
from symgan_core.geometry import Camera
from symgan_core.inversion import make_target, to_uint8
from symgan_core.inversion.guess import guess_code


@pytest.fixture(scope="module")
def builtin() -> TriPlaneGenerator:
    return load_generator("builtin", "cpu")


@pytest.fixture(scope="module")
def people(builtin: TriPlaneGenerator) -> torch.Tensor:
    z = torch.randn(4, builtin.config.z_dim, generator=torch.Generator().manual_seed(1))
    return builtin.mapping(z, builtin.frontal_camera().expand(4, -1))


def test_random_people_stand_in_the_frame_and_have_depth(builtin: TriPlaneGenerator, people: torch.Tensor) -> None:
    camera = builtin.frontal_camera()
    for ws in people:
        out = builtin.synthesis(ws[None], camera)
        opacity, depth = (F.interpolate(x, (64, 64), mode="area")[0, 0] for x in (out.image_opacity, out.image_depth))
        assert 0.25 < opacity.mean() < 0.75
        assert opacity[24:40, 24:40].min() > 0.9 and opacity[:6, :6].max() < 0.3
        nose, cheeks = depth[32:40, 29:35].min(), depth[32:40, [18, 45]].mean()
        assert 0.04 < cheeks - nose < 0.3  # a face is not flat


def test_people_differ(builtin: TriPlaneGenerator, people: torch.Tensor) -> None:
    camera = builtin.frontal_camera()
    views = torch.cat([builtin.synthesis(ws[None], camera).image for ws in people])
    assert (views[:, None] - views).abs().mean((2, 3, 4))[~torch.eye(4, dtype=bool)].min() > 0.03


def test_the_head_turns(builtin: TriPlaneGenerator, people: torch.Tensor) -> None:
    left, right = (builtin.synthesis(people[:1], Camera.orbit(yaw, 0).vector()).image for yaw in (40, -40))
    assert (left - right).abs().mean() > 0.05
    assert (left - right.flip(-1)).abs().mean() < (left - right).abs().mean()  # nearly symmetric


def brightness(image: torch.Tensor, rows: slice, columns: slice) -> float:
    return float(image[0, :, rows, columns].mean())


def test_directions_do_what_their_label_says(builtin: TriPlaneGenerator, people: torch.Tensor) -> None:
    camera = builtin.frontal_camera()

    def shown(ws: torch.Tensor, **strengths: float) -> torch.Tensor:
        return builtin.synthesis(edit_ws(ws, builtin, strengths), camera).image

    changes: dict[str, list[float]] = {"skin": [], "hair": [], "light": []}
    for ws in people.split(1):
        cheek = slice(130, 165), slice(90, 166)
        changes["skin"].append(brightness(shown(ws, skin_tone=4), *cheek) - brightness(shown(ws, skin_tone=-4), *cheek))
        top = slice(20, 45), slice(100, 156)
        changes["hair"].append(brightness(shown(ws, hair_lightness=2), *top) - brightness(shown(ws, hair_lightness=-2), *top))
        lit, other = shown(ws, light_side=2), shown(ws, light_side=-2)
        right_half, left_half = slice(140, 170), slice(86, 116)  # the person's left is on the right of the picture
        rows = slice(120, 160)
        changes["light"].append(brightness(lit, rows, right_half) - brightness(lit, rows, left_half)
                                - brightness(other, rows, right_half) + brightness(other, rows, left_half))
    means = {k: sum(v) / len(v) for k, v in changes.items()}
    print(means)
    assert means["skin"] > 0.05 and means["hair"] > 0.05 and means["light"] > 0.05, means


def test_the_shipped_directions_are_those_of_the_code(builtin: TriPlaneGenerator) -> None:
    found = directions_for(builtin)
    assert found.known == BUILTIN_DIRECTIONS and set(found.vectors) == {d.name for d in BUILTIN_DIRECTIONS}


def test_edits_are_checked_add_up_and_vanish_at_zero(builtin: TriPlaneGenerator, people: torch.Tensor) -> None:
    ws = people[:1]
    assert torch.equal(edit_ws(ws, builtin, {"age": 0.0}), ws)
    both = edit_ws(ws, builtin, {"age": 1, "smile": -1})
    assert torch.allclose(both - ws, edit_ws(ws, builtin, {"age": 1}) + edit_ws(ws, builtin, {"smile": -1}) - 2 * ws, atol=1e-5)
    with pytest.raises(RequestError, match="no editing direction"):
        edit_ws(ws, builtin, {"beauty": 1})
    with pytest.raises(RequestError, match="out of range"):
        edit_ws(ws, builtin, {"age": 99})


def test_other_generators_get_principal_directions_once(tiny: TriPlaneGenerator) -> None:
    names = [d.name for d in list_directions(tiny)]
    assert directions_for(tiny) is directions_for(tiny)
    assert len(names) >= 3 and names[0] == "component_0"
    ws = torch.zeros(1, tiny.config.num_ws, tiny.config.w_dim)
    moved = edit_ws(ws, tiny, {names[0]: 1.0})
    assert 0 < moved.norm() < 50 and torch.equal(moved, edit_ws(ws, tiny, {names[0]: 1.0}))


def test_a_users_own_directions(tiny: TriPlaneGenerator, tmp_path) -> None:
    path, ws = tmp_path / "mine.safetensors", torch.zeros(1, tiny.config.num_ws, tiny.config.w_dim)
    vector = torch.arange(float(tiny.config.w_dim))
    save_directions(Directions((Direction("freckles", "Freckles", "none ↔ many", 1.5),), {"freckles": vector}), path)
    assert torch.equal(edit_ws(ws, tiny, {"freckles": 1.5}, path)[0, 0], 1.5 * vector)
    with pytest.raises(RequestError, match="out of range"):
        edit_ws(ws, tiny, {"freckles": 2}, path)
    save_file({"plain_name": vector}, str(path))  # no header of ours: any tool can write it
    assert load_directions(path, tiny).known[0].label == "Plain name"


@pytest.mark.parametrize("tensors", [{}, {"short": torch.zeros(3)}, {"bad": torch.full((24,), float("nan"))}])
def test_directions_of_another_generator_are_refused(tiny: TriPlaneGenerator, tmp_path, tensors: dict[str, torch.Tensor]) -> None:
    path = tmp_path / "d.safetensors"
    save_file(tensors, str(path))
    with pytest.raises(CheckpointError, match="does not fit"):
        load_directions(path, tiny)


def test_a_damaged_directions_file_is_refused(tiny: TriPlaneGenerator, tmp_path) -> None:
    path = tmp_path / "d.safetensors"
    with pytest.raises(CheckpointError, match="does not exist"):
        load_directions(path, tiny)
    path.write_bytes(b"not a file of tensors")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_directions(path, tiny)


def test_nothing_is_outside_the_box_whatever_the_planes_say(builtin: TriPlaneGenerator) -> None:
    half = builtin.config.box_warp / 2
    planes = 50 * torch.randn(1, 3, builtin.config.plane_channels, 64, 64, generator=torch.Generator().manual_seed(0))
    points = torch.rand(1, 4000, 3, generator=torch.Generator().manual_seed(1)) * 4 * half - 2 * half
    sigma = builtin.query(planes, points)[0]
    outside = points.abs().amax(-1) > half
    assert sigma[outside].max() < -100 and (sigma[~outside] > 0).float().mean() > 0.1


def test_the_guess_is_nearer_than_the_mean_head(builtin: TriPlaneGenerator, people: torch.Tensor) -> None:
    mean = builtin.backbone.mapping.w_avg
    gains = []
    for ws, yaw in zip(people, (0.0, 20.0, -30.0, 10.0), strict=True):
        camera = Camera.orbit(yaw, 0).vector()
        with torch.no_grad():
            photo = builtin.synthesis(ws[None], camera)
            mask = F.interpolate(photo.image_opacity, (256, 256)).clamp(0, 1)[0, 0].numpy()
            target = make_target(to_uint8(photo.image), camera[0], (255 * mask).astype(np.uint8), builtin)
            shown = [builtin.synthesis(w.expand(1, builtin.config.num_ws, -1), camera).image for w in (guess_code(target, builtin), mean)]
        gains.append(float((shown[1] - photo.image).abs().mean() / (shown[0] - photo.image).abs().mean()))
    assert min(gains) > 1 and np.mean(gains) > 1.5
