"""What the shipped weights must show: heads, not fog. Loose on purpose, but a flat or empty generator fails."""

import pytest
import torch

from symgan_core.editing import edit_ws, list_directions
from symgan_core.errors import RequestError
from symgan_core.generator import TriPlaneGenerator, load_generator
from symgan_core.geometry import Camera


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
        opacity, depth = out.image_opacity[0, 0], out.image_depth[0, 0]
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


def test_edits_are_checked_add_up_and_vanish_at_zero(builtin: TriPlaneGenerator, people: torch.Tensor) -> None:
    ws = people[:1]
    assert torch.equal(edit_ws(ws, builtin, {"age": 0.0}), ws)
    both = edit_ws(ws, builtin, {"age": 1, "smile": -1})
    assert torch.allclose(both - ws, edit_ws(ws, builtin, {"age": 1}) + edit_ws(ws, builtin, {"smile": -1}) - 2 * ws, atol=1e-5)
    with pytest.raises(RequestError, match="no editing direction"):
        edit_ws(ws, builtin, {"beauty": 1})
    with pytest.raises(RequestError, match="out of range"):
        edit_ws(ws, builtin, {"age": 99})


def test_other_generators_get_principal_directions(tiny: TriPlaneGenerator) -> None:
    names = [d.name for d in list_directions(tiny)]
    assert len(names) >= 3 and names[0] == "component_0"
    ws = torch.zeros(1, tiny.config.num_ws, tiny.config.w_dim)
    moved = edit_ws(ws, tiny, {names[0]: 1.0})
    assert 0 < moved.norm() < 50 and torch.equal(moved, edit_ws(ws, tiny, {names[0]: 1.0}))
