"""The synthetic people: codes, shapes, what they wear, and the pictures of them."""

import numpy as np
import pytest
import torch

from symgan_core.faces.maps import MIRRORED
from symgan_core.geometry import DEFAULT_FOCAL, Camera, project
from training.batch import along_ray
from training.heads import (
    CODE,
    REGIONS,
    HeadPack,
    HeadRenderer,
    draw_codes,
    person_from_code,
    point_slopes,
    trait_statistics,
    traits,
)
from training.heads.landmarks import landmark_vertices, landmarks, points_of
from training.heads.people import CHOICE_GAP, HAIR, Z_DIM, _hair_scores, macro_weights
from training.heads.render import frame, place

FRONT = Camera.orbit(0, 0).cam2world[0].numpy()


@pytest.fixture(scope="module")
def pack() -> HeadPack:
    return HeadPack()


@pytest.fixture(scope="module")
def renderer(pack: HeadPack) -> HeadRenderer:
    return HeadRenderer(pack, 128)


def view_of(renderer: HeadRenderer, code: np.ndarray, cam2world: np.ndarray = FRONT):
    person = person_from_code(renderer.pack, code)
    return renderer.draw(renderer.build(person), person, cam2world, DEFAULT_FOCAL)


def test_codes_are_normal_and_lead_to_one_style(pack: HeadPack) -> None:
    codes = draw_codes(np.random.default_rng(0), 400)
    assert codes.shape == (400, Z_DIM) and abs(codes.mean()) < 0.02 and abs(codes.std() - 1) < 0.03
    scores = np.sort([_hair_scores(c) for c in codes], axis=1)
    assert (scores[:, -1] - scores[:, -2]).min() >= CHOICE_GAP - 1e-4
    styles = {HAIR[int(np.argmax(_hair_scores(c)))] for c in codes}
    assert styles == set(HAIR)


def test_macro_weights_share_out_to_one() -> None:
    for age in (0.3, 0.5, 0.8):
        weights = macro_weights(0.3, age, np.array([0.2, 0.3, 0.5]), 0.7, 0.4)
        bodies = {k: v for k, v in weights.items() if "universal" not in k}
        assert sum(bodies.values()) == pytest.approx(1, abs=1e-3) and min(weights.values()) >= 0


def test_a_head_fills_the_frame_as_the_rule_says(pack: HeadPack, renderer: HeadRenderer) -> None:
    code = draw_codes(np.random.default_rng(1), 1)[0]
    person = person_from_code(pack, code)
    vertices = pack.compose(person.weights)
    centre, scale = frame(pack, vertices, None)
    mark = pack.landmarks
    crown, chin = ((vertices[mark[n], 1] - centre[1]) * scale for n in ("crown", "chin_bottom"))
    height = crown - chin
    assert crown + 0.06 * height == pytest.approx(0.633 / 2, abs=1e-4)
    assert chin - 0.17 * height == pytest.approx(-0.633 / 2, abs=1e-4)


def test_views_agree_with_their_labels(renderer: HeadRenderer) -> None:
    view = view_of(renderer, draw_codes(np.random.default_rng(2), 1)[0])
    assert view.rgb.shape == (128, 128, 3) and view.depth.shape == (64, 64)
    alpha = view.alpha.reshape(64, 2, 64, 2).mean((1, 3)) / 255
    assert np.isnan(view.depth[alpha == 0]).all() and np.isfinite(view.depth[alpha == 1]).mean() > 0.99
    assert (view.rgb[view.alpha == 0] == 255).all()
    assert -0.45 < np.nanmin(view.depth) < -0.15 and (view.region == 3).sum() > 4 and (view.region == 1).mean() > 0.1


def test_depth_and_camera_agree_between_views(renderer: HeadRenderer) -> None:
    """A point seen in two views is the same point: warping by depth gives the colours back."""
    from symgan_core.geometry import DepthView, warp_to_view
    from symgan_core.geometry.rays import pixel_centres

    code = draw_codes(np.random.default_rng(3), 1)[0]
    cams = [Camera.orbit(y, 0).vector() for y in (0, 12)]
    views = [view_of(renderer, code, Camera.from_vector(c).cam2world[0].numpy()) for c in cams]
    images = [torch.from_numpy(v.rgb).permute(2, 0, 1)[None].float() / 127.5 - 1 for v in views]
    flat = [torch.from_numpy(v.depth.astype(np.float32)).nan_to_num(9).reshape(1, -1) for v in views]
    depths = [along_ray(z, pixel_centres(64)[None], c).reshape(1, 1, 64, 64) for z, c in zip(flat, cams, strict=True)]
    warp = warp_to_view(images[0], *map(DepthView, cams, depths), tolerance=0.01)
    seen = warp.visible[0, 0] > 0
    head = torch.from_numpy(views[1].alpha) > 250
    assert (seen & head).sum() > 2000
    assert (warp.image - images[1]).abs().mean(1)[0][seen & head].median() < 12 / 127.5


def test_attributes_do_what_they_are_called(renderer: HeadRenderer) -> None:
    def mean(**changes: float) -> float:
        code = draw_codes(np.random.default_rng(4), 1)[0]
        for name, value in changes.items():
            code[CODE[name].start] = value
        view = view_of(renderer, code)
        big = np.repeat(np.repeat(view.region, 2, 0), 2, 1)
        return float(view.rgb[big == (2 if "hair_lightness" in changes else 1)].mean())

    assert mean(skin_tone=2.0) > mean(skin_tone=-2.0) + 3
    assert mean(hair_lightness=2.5) > mean(hair_lightness=-2.5) + 10
    assert mean(light_strength=2.0) > mean(light_strength=-2.0) + 5


def test_mirrored_hair_is_the_mirror_image(pack: HeadPack) -> None:
    mesh = pack.proxies["short01"]
    base = pack.compose({"macrodetails/caucasian-male-young": 1.0})
    symmetric = (base + base[pack.mirror] * np.float32([-1, 1, 1])) / 2
    flipped = mesh.mirrored(pack.mirror).fit(symmetric)
    assert np.abs(flipped - mesh.fit(symmetric) * np.float32([-1, 1, 1])).max() < 1e-3


def bare(seed: int) -> np.ndarray:
    """A code of somebody who wears nothing that hides the face, with short hair."""
    code = draw_codes(np.random.default_rng(seed), 1)[0]
    for name in ("glasses", "hat", "patch", "mole"):
        code[CODE[name].start] = -2
    code[CODE["hair_style"]] = 0
    code[CODE["hair_style"].start + HAIR.index("short01")] = 9
    return code


def test_every_region_is_where_it_belongs(renderer: HeadRenderer) -> None:
    code = bare(5)
    code[CODE["clothing"].start] = 1
    region = view_of(renderer, code).region

    def middle(name: str) -> np.ndarray:
        places = np.argwhere(region == REGIONS.index(name))
        assert len(places) > 3, name
        return places.mean(0)

    height = [middle(n)[0] for n in ("hair", "brows", "eyes", "nose", "mouth", "neck", "clothing")]
    assert height == sorted(height)  # from the top down
    ears = np.argwhere(region == REGIONS.index("ears"))[:, 1]
    assert ears.min() < 24 and ears.max() > 40 and not ((ears > 26) & (ears < 38)).any()


@pytest.mark.parametrize(("name", "numbers"), [
    ("glasses", (2, 0)), ("glasses", (2, 1)), ("glasses", (2, 2)), ("hat", (2, 1)), ("hat", (2, -1)), ("clothing", (1, 2))])
def test_what_is_worn_is_seen_and_near_the_head(renderer: HeadRenderer, name: str, numbers: tuple[float, float]) -> None:
    code = bare(6)
    code[CODE["clothing"].start] = -2
    without = view_of(renderer, code)
    code[CODE[name].start: CODE[name].start + 2] = numbers
    worn = view_of(renderer, code)
    seen = worn.region == REGIONS.index(name)
    assert 12 < seen.sum() < 0.5 * seen.size and not (without.region == REGIONS.index(name)).any()
    both = seen & np.isfinite(without.depth)
    gap = (without.depth - worn.depth)[both].astype(float)
    assert -0.01 < np.median(gap) < 0.08  # in front of what it covers, and not far


def test_hair_gets_longer_and_fuller(renderer: HeadRenderer) -> None:
    code = bare(7)
    code[CODE["hair_style"].start + HAIR.index("long01")] = 20

    side = Camera.orbit(60, 0).cam2world[0].numpy()

    def low_hair(**numbers: float) -> int:
        changed = code.copy()
        for name, value in numbers.items():
            changed[CODE[name].start] = value
        return int((view_of(renderer, changed, side).region[48:] == REGIONS.index("hair")).sum())

    assert low_hair(hair_length=-2.5) < 0.75 * low_hair(hair_length=0.5)
    assert low_hair(hair_volume=-1.5) < low_hair(hair_volume=1.5)


def test_a_birthmark_is_on_one_side(renderer: HeadRenderer) -> None:
    code = bare(8)
    plain = view_of(renderer, code).rgb.astype(float)
    code[CODE["patch"].start: CODE["patch"].start + 5] = (2, 0.3, 1.0, 0, 1)
    change = np.abs(view_of(renderer, code).rgb - plain).mean(-1)
    left, right = change[:, :64].sum(), change[:, 64:].sum()
    assert max(left, right) > 100 and min(left, right) < 0.2 * max(left, right)


def test_the_68_points_are_in_order_and_on_the_face(renderer: HeadRenderer) -> None:
    numbers = landmark_vertices()
    assert len(set(numbers.tolist())) == 68
    assert (renderer.pack.mirror[numbers] == numbers[list(MIRRORED)]).all()
    person = person_from_code(renderer.pack, bare(9))
    placed = place(renderer.pack, person)
    points = (landmarks(renderer.pack, placed.vertices) - placed.centre) * placed.scale
    uv, distance = project(torch.from_numpy(points.astype(np.float32))[None], Camera.orbit(0, 0).vector())
    uv = uv[0].numpy()
    assert uv.min() > 0.1 and uv.max() < 0.95
    assert (np.diff(uv[:17, 0]) > -0.02).all() and uv[8, 1] == uv[:, 1].max()  # the jaw runs from the picture's left, chin lowest
    assert uv[36, 0] < uv[39, 0] < uv[27, 0] + 0.05 < uv[42, 0] + 0.1 < uv[45, 0] + 0.1
    assert uv[17:27, 1].max() < uv[36:48, 1].min() + 0.02 and uv[30, 1] < uv[51, 1] < uv[57, 1] < uv[8, 1]
    view = renderer.draw(renderer.build(person), person, FRONT, DEFAULT_FOCAL)
    regions = view.region[(uv[:, 1] * 64).astype(int), (uv[:, 0] * 64).astype(int)]
    assert (regions != 0).mean() > 0.95
    inner = [*range(27, 31), *range(48, 68)]
    row, column = ((uv[inner, n] * 64).astype(int) for n in (1, 0))
    shown = along_ray(torch.from_numpy(view.depth[row, column].astype(np.float32))[None], torch.from_numpy(uv[None, inner]),
                      Camera.orbit(0, 0).vector())[0].numpy()
    assert np.nanmax(np.abs(shown - distance[0, inner].numpy())) < 0.03


def test_points_move_as_the_slopes_say(pack: HeadPack) -> None:
    """A mouth that smiles: slopes of nothing would be wrong by all of the way, these (of few people) are by half of it at most."""
    code = draw_codes(np.random.default_rng(4), 1)[0]
    mean, scale = trait_statistics(pack)
    slopes = point_slopes(pack, mean, scale, people=700)
    people = []
    for smile in (-0.4, 2.0):
        code[CODE["smile"]] = smile
        person = person_from_code(pack, code)
        people.append(((traits(pack, person) - mean) / scale, points_of(pack, person)))
    (one, before), (other, after) = people
    real, said = (after - before)[48:], (slopes @ (other - one))[48:]
    assert np.abs(real).max() > 0.003 and np.linalg.norm(said - real) < 0.6 * np.linalg.norm(real)


def test_traits_are_of_one_length_and_standardised(pack: HeadPack) -> None:
    codes = draw_codes(np.random.default_rng(3), 300)
    values = np.stack([traits(pack, person_from_code(pack, z)) for z in codes])
    mean, scale = trait_statistics(pack, 400)
    w = (values - mean) / scale
    assert np.isfinite(w).all() and np.abs(w).max() < 12 and 0.4 < w.std() < 1.1
    young, old = codes[0].copy(), codes[0].copy()
    young[CODE["age"].start], old[CODE["age"].start] = -1, 2
    assert not np.allclose(*(traits(pack, person_from_code(pack, z)) for z in (young, old)))


def test_a_multi_view_file_is_what_evaluate_reads(tmp_path) -> None:
    from symgan_core.evaluation import read_multiview
    from training.views import YAWS, write_views

    path = tmp_path / "views.npz"
    write_views(path, 2, seed=5)
    arrays = read_multiview(path)
    assert arrays["images"].shape == (2, len(YAWS) + 1, 256, 256, 3) and (arrays["input_view"] == len(YAWS)).all()
    border = arrays["images"][:, :, 0, 0].astype(int)
    assert not (border == 255).all()  # a background, not the renderer's white
    assert (np.isfinite(arrays["depths"][0, 3]).mean() > 0.2) and 0.2 < (arrays["masks"][0] > 128).mean() < 0.8


def test_one_lamp_leaves_a_dark_side(tmp_path) -> None:
    from symgan_core.evaluation import read_multiview
    from symgan_core.geometry import Camera
    from training.views import YAWS, write_views

    write_views(tmp_path / "lit.npz", 2, seed=5, one_lamp=True)
    arrays = read_multiview(tmp_path / "lit.npz")
    front = arrays["images"][:, YAWS.index(0.0), 128:176].mean((1, 3))  # [2, 256], nose and cheeks
    # The picture's right is the person's left, where the lamp is.
    assert (front[:, 130:160].mean(1) > 1.15 * front[:, 96:126].mean(1)).all()
    yaws = [Camera.from_vector(torch.from_numpy(c[-1:])).yaw_pitch()[0] for c in arrays["cameras"]]
    assert 25 <= yaws[0] <= 45 and -45 <= yaws[1] <= -25


def test_unseen_parts_are_new_for_each_person_and_as_symmetric_as_before(pack: HeadPack) -> None:
    from training.unseen import UnseenPack

    own, rng, skin, hair = UnseenPack(), np.random.default_rng(3), f"skins/{pack.skin_names[0]}.jpg", f"hair/{HAIR[0]}"
    base, shapes, skins = pack.compose({}), [], []
    for _ in range(2):
        own.renew(rng)
        shapes.append(own.compose({}))
        skins.append(own.colour(skin))
    assert 0.03 < np.abs(shapes[0] - base).max() < 0.6 and np.abs(shapes[0] - shapes[1]).max() > 0.03
    crooked = [np.abs(x[pack.mirror] * [-1, 1, 1] - x).max() for x in (shapes[0], base)]
    assert crooked[0] < crooked[1] + 0.01
    ratios = [x / pack.colour(skin).clip(1e-6) for x in skins]
    assert 0.03 < np.abs(ratios[0] - 1).mean() < 0.3 and np.abs(ratios[0] - ratios[1]).mean() > 0.03
    assert np.abs(own.card(hair)[0] - pack.card(hair)[0]).mean() > 0.05
    assert np.array_equal(own.colour("teeth.jpg"), pack.colour("teeth.jpg"))


def test_a_background_leaves_no_white_rim() -> None:
    from training.heads.backgrounds import draw_background, over_background

    rng = np.random.default_rng(0)
    pictures = [draw_background(rng, 64) for _ in range(12)]
    assert np.std([p.mean() for p in pictures]) > 20
    alpha = np.array([[0, 128, 255]], np.uint8)
    rgb = np.full((1, 3, 3), [[255], [155], [55]], np.uint8)  # a grey of 55, covering nothing, half, all
    shown = over_background(rgb, alpha, np.zeros((1, 3, 3), np.uint8))
    assert shown[0, :, 0].tolist() == pytest.approx([0, 28, 55], abs=1)
