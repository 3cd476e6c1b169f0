"""Real people are stood for by people of the built-in generator: what it renders is a photo, and its own head the perfect portrait."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from symgan_core.errors import NoFaceFound, RequestError
from symgan_core.evaluation import evaluate, likeness, methods_at, people, recognition
from symgan_core.evaluation.likeness import fit_camera, lpips_within, score_real, score_truth, sharpness_after_turns, similarity
from symgan_core.evaluation.people import Sittings, read_people
from symgan_core.generator import TriPlaneGenerator, load_generator
from symgan_core.geometry import Camera
from symgan_core.inversion import Portrait3D, settings, to_uint8
from symgan_core.inversion.method import PRESETS

YAWS = {"front": 0.0, "left": 25.0}


@pytest.fixture(scope="module")
def builtin() -> TriPlaneGenerator:
    """At half its size: a quarter of the time."""
    generator = load_generator("builtin", "cpu")
    generator.config = replace(generator.config, image_resolution=128, neural_rendering_resolution=128)
    return generator


@pytest.fixture(scope="module")
def portrait(builtin: TriPlaneGenerator) -> Portrait3D:
    z = torch.randn(1, builtin.config.z_dim, generator=torch.Generator().manual_seed(4))
    made = Portrait3D(builtin, torch.zeros(1), torch.zeros(1))
    made.ws = builtin.mapping(z, torch.zeros(1, 25))
    made.camera = made.orbit_camera(0.0)
    return made


@pytest.fixture(scope="module")
def folder(portrait: Portrait3D, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    for name, yaw in YAWS.items():
        image = Image.fromarray(to_uint8(portrait.render(yaw=yaw).image)).resize((512, 512), Image.Resampling.BICUBIC)
        image.save(folder / f"{name}.png")
    entry = {"name": "ann", "given": "front.png", "truths": ["left.png"]}
    (folder / "people.json").write_text(json.dumps({"people": [entry, entry | {"name": "ben", "given": "left.png", "truths": []}]}))
    return folder


@pytest.fixture(scope="module")
def sittings(builtin: TriPlaneGenerator) -> Sittings:
    return Sittings(builtin)


@pytest.fixture(scope="module")
def truth(sittings: Sittings, folder: Path) -> people.Sitting:
    return sittings.read(folder / "left.png")


@pytest.fixture
def quick(monkeypatch) -> None:
    monkeypatch.setattr(likeness, "TURNS", (-5.0, 0.0))
    monkeypatch.setattr(likeness, "TILTS", (0.0,))
    monkeypatch.setattr(likeness, "STEPS", ((2.5, 3.0),))
    monkeypatch.setitem(PRESETS, "fast", (2, 2))


@pytest.fixture
def without_dlib(monkeypatch) -> None:
    monkeypatch.setattr(recognition, "find_spec", lambda name: None)


def test_people_are_read(folder: Path) -> None:
    ann, ben = read_people(folder)
    assert (ann.name, ann.given.name, [p.name for p in ann.truths]) == ("ann", "front.png", ["left.png"]) and ben.truths == ()


@pytest.mark.parametrize(("text", "said"), [
    ("{cut", "cannot be read"), ("[]", "does not list"), ('{"people": []}', "does not list"), ('{"people": [3]}', "other keys"),
    ('{"people": [{"name": "a", "given": "front.png"}]}', "other keys"),
    ('{"people": [{"name": "a", "given": "front.png", "truths": [], "age": 3}]}', "other keys"),
    ('{"people": [{"name": "a", "given": "front.png", "truths": "left.png"}]}', "wrong kind"),
    ('{"people": [{"name": 3, "given": "front.png", "truths": []}]}', "wrong kind"),
    ('{"people": [{"name": "../a", "given": "front.png", "truths": []}]}', "no file name"),
    ('{"people": [{"name": "a", "given": "gone.png", "truths": []}]}', "no photo 'gone.png'"),
    ('{"people": [{"name": "a", "given": "a\\u0000b", "truths": []}]}', "no photo"),
    ('{"people": [{"name": "a", "given": "../outside.png", "truths": []}]}', "outside of its folder"),
    ('{"people": [{"name": "a", "given": "front.png", "truths": ["/etc/hostname"]}]}', "outside of its folder"),
    ('{"people": [{"name": "a", "given": "front.png", "truths": []}, {"name": "a", "given": "front.png", "truths": []}]}', "two people")])
def test_what_is_wrong_with_a_list_is_said_in_one_line(tmp_path, tiny: TriPlaneGenerator, text: str, said: str) -> None:
    inner = tmp_path / "set"
    inner.mkdir()
    for place in (inner / "front.png", tmp_path / "outside.png"):
        Image.new("RGB", (80, 80)).save(place)
    (inner / "people.json").write_text(text)
    with pytest.raises(RequestError, match=said) as error:
        evaluate(inner, methods_at("fast", "w"), tiny)
    assert "\n" not in str(error.value)


def test_a_link_that_leads_out_of_the_folder_is_refused(tmp_path) -> None:
    (tmp_path / "set").mkdir()
    Image.new("RGB", (80, 80)).save(tmp_path / "outside.png")
    (tmp_path / "set" / "a.png").symlink_to(tmp_path / "outside.png")
    (tmp_path / "set" / "people.json").write_text('{"people": [{"name": "a", "given": "a.png", "truths": []}]}')
    with pytest.raises(RequestError, match="outside"):
        read_people(tmp_path / "set")


def test_a_photo_without_a_face_is_named(sittings: Sittings, tmp_path) -> None:
    Image.new("RGB", (200, 200), (90, 120, 160)).save(tmp_path / "wall.png")
    with pytest.raises(NoFaceFound, match=r"'wall\.png'"):
        sittings.read(tmp_path / "wall.png")


def test_a_similarity_is_found_beside_a_misread_point() -> None:
    rng = np.random.default_rng(0)
    points, inner = rng.uniform(60, 200, (68, 2)), np.arange(68) >= 17
    matrix = np.array([[0.9, -0.2, 12.0], [0.2, 0.9, -7.0]])
    wanted = points @ matrix[:, :2].T + matrix[:, 2]
    wanted[[20, 30]] += 40.0
    wanted[:17] = 0  # the jaw has no say
    found, error = similarity(points, wanted, inner)
    assert found == pytest.approx(matrix, abs=0.02)
    eyes = np.linalg.norm(wanted[36:42].mean(0) - wanted[42:48].mean(0))
    assert error == pytest.approx(2 * 40 * 2**0.5 / 51 / max(eyes, likeness.LEAST_EYES * people.SIDE), rel=0.01)


def test_a_perfect_portrait_is_near_its_truth_and_a_wrong_one_is_not(
        portrait: Portrait3D, truth: people.Sitting, quick, without_dlib) -> None:
    off = replace(truth.crop, camera=Camera.orbit(32.0, 3.0))  # read a few degrees off
    truth = replace(truth, crop=off)
    fit = fit_camera(portrait, truth)
    start = to_uint8(portrait.render(yaw=32.0, pitch=3.0).image)
    _, error = similarity(people.read_points(start)[0], *truth.points)
    assert fit.error < 0.8 * error and abs(fit.yaw - YAWS["left"]) < 5
    found = score_truth(portrait, truth)
    assert found["lpips_face"] < 0.03 and found["points"] < 0.03 and found["identity_distance"] is None
    z = torch.randn(1, portrait.generator.config.z_dim, generator=torch.Generator().manual_seed(9))
    other = score_truth(replace(portrait, ws=portrait.generator.mapping(z, torch.zeros(1, 25)), _head=None), truth)
    assert other["lpips_face"] > 3 * found["lpips_face"] and other["points"] > found["points"]
    assert found["lpips_shared"] < 0.03 and other["lpips_shared"] > 3 * found["lpips_shared"]


def test_lpips_within_a_region_knows_nothing_of_what_is_beside_it_and_of_exposure() -> None:
    image = np.random.default_rng(0).integers(60, 120, (64, 64, 3)).astype(np.uint8)
    region, other = np.zeros((64, 64), bool), image // 2
    region[:, :32], other[:, 32:] = True, 255
    assert lpips_within(region, image, other) < 0.01 < lpips_within(~region, image, other[::-1])


def test_sharpness_is_about_one_of_the_head_itself_and_less_beside_a_sharper_photo(
        portrait: Portrait3D, sittings: Sittings, folder: Path) -> None:
    given = sittings.read(folder / "front.png")
    portrait = replace(portrait, camera=given.crop.camera.vector())
    own = sharpness_after_turns(portrait, given)
    assert own.keys() == {"left", "right", "mean"} and 0.5 < own["mean"] < 1.5
    sharper = Image.fromarray(given.fine).filter(ImageFilter.UnsharpMask(3, 200, 0))
    assert sharpness_after_turns(portrait, replace(given, fine=np.asarray(sharper)))["mean"] < 0.8 * own["mean"]


def test_the_size_of_renders_does_not_matter(portrait: Portrait3D, sittings: Sittings, folder: Path, quick, without_dlib) -> None:
    class Enlarged(Portrait3D):
        def render(self, camera=None, **view):
            out = super().render(camera, **view)
            return out._replace(image=torch.nn.functional.interpolate(out.image, scale_factor=2, mode="bilinear"))

    given = sittings.read(folder / "front.png")
    truths = [sittings.read(folder / "left.png")]
    plain = score_real(portrait, given, truths)
    large = score_real(Enlarged(portrait.generator, portrait.ws, portrait.camera), given, truths)
    assert large["input"]["lpips"] == pytest.approx(plain["input"]["lpips"], abs=0.02)
    assert large["real"]["lpips_face"] == pytest.approx(plain["real"]["lpips_face"], abs=0.02)


def test_a_people_set_is_evaluated_and_goes_on_where_it_was(
        builtin: TriPlaneGenerator, folder: Path, quick, without_dlib, tmp_path) -> None:
    out, runs = tmp_path / "o.json", []

    def run(limit: int | None) -> dict:
        runs.clear()
        return evaluate(folder, methods_at("fast", "w"), builtin, limit, out, progress=lambda *a: runs.append(a[1]))

    run(1)
    result = run(None)
    assert runs == ["ben"]
    assert json.loads(out.read_text()) == result == run(None) and runs == []
    w = result["methods"]["w"]
    ann, ben = w["each"]["ann"], w["each"]["ben"]
    assert ann.keys() == {"input", "sharpness", "real", "truths", "seconds", "renders"} and result["lpips_network"] == "alex"
    assert ann["real"] == {key: ann["truths"][0][key] for key in likeness.REAL} and ann["truths"][0]["truth"] == "left.png"
    assert ann["real"]["identity_distance"] is None and ann["real"]["lpips_face"] > 0 and ann["input"]["lpips"] > 0
    assert ben["truths"] == [] and set(ben["real"].values()) == {None}
    assert w["mean"]["real"]["points"] == pytest.approx(ann["real"]["points"], abs=1e-4) and w["mean"]["sharpness"]["mean"] > 0
    with Image.open(tmp_path / "o-sheet.jpg") as sheet:
        assert sheet.size == (6 * 160, 4 * 160)


def test_dlibs_models_are_found_without_importing_their_package(tmp_path, monkeypatch) -> None:
    for name in ("dlib", "face_recognition_models"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('never imported')")
    monkeypatch.syspath_prepend(tmp_path)
    assert recognition.recognition_models() is None  # no folder of models
    (tmp_path / "face_recognition_models" / "models").mkdir()
    assert recognition.recognition_models() == tmp_path / "face_recognition_models" / "models"
    (tmp_path / "dlib" / "__init__.py").unlink()
    (tmp_path / "dlib").rmdir()
    if recognition.find_spec("dlib") is None:
        assert recognition.recognition_models() is None and recognition.descriptor(np.zeros((8, 8, 3), np.uint8)) is None


@pytest.mark.skipif(recognition.recognition_models() is None, reason="dlib and its models are not installed")
def test_dlib_knows_a_face_again_in_a_darker_picture(astronaut: np.ndarray) -> None:
    face = astronaut[:320, 60:380]
    own, darker = recognition.descriptor(face), recognition.descriptor(face // 2)
    assert own.shape == (128,) and 0 < recognition.identity_distance(own, darker) < 0.4
    assert recognition.descriptor(np.full((64, 64, 3), 200, np.uint8)) is None


def test_identity_is_a_distance_or_null() -> None:
    a, b = np.zeros(128), np.full(128, 0.05)
    assert recognition.identity_distance(a, b) == pytest.approx(0.05 * 128**0.5) and recognition.identity_distance(a, None) is None


def test_a_method_of_real_photos_keeps_moving_its_camera(builtin: TriPlaneGenerator, sittings: Sittings, folder: Path) -> None:
    inversion = people.start_person(sittings.read(folder / "front.png"), builtin, settings("w", "fast"), 0)
    assert inversion.method.pivot.optimize_camera and inversion.method.perceptual == "lpips-alex"
