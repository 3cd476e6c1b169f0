import json
import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import imageio.v2 as imageio
import imageio_ffmpeg
import numpy as np
import pytest
import torch
from PIL import Image

from symgan_core.errors import RequestError
from symgan_core.export import (
    Pose,
    expression_path,
    largest_piece,
    on_background,
    orbit_angles,
    orbit_frames,
    write_expression,
    write_mesh,
    write_orbit,
    write_still,
    write_video,
)
from symgan_core.generator import Synthesized, TriPlaneGenerator
from symgan_core.inversion import Portrait3D, to_uint8

ROOT = Path(__file__).parents[1]


@pytest.fixture
def portrait(tiny: TriPlaneGenerator, frontal: torch.Tensor) -> Portrait3D:
    return Portrait3D(tiny, tiny.mapping(torch.ones(1, 16), frontal[None]), frontal[None])


def test_orbit_loops_smoothly() -> None:
    angles = np.array(orbit_angles(60))
    steps = np.linalg.norm(np.diff(angles, axis=0, append=angles[:1]), axis=1)
    assert steps.max() < 4 and abs(steps[-1] - steps[0]) < 1e-6
    assert angles[:, 0].max() == pytest.approx(35, abs=0.2) and angles[:, 0].min() == pytest.approx(-35, abs=0.2)


def test_the_way_back_costs_nothing(portrait: Portrait3D, monkeypatch) -> None:
    seen, render = [], portrait.render
    monkeypatch.setattr(portrait, "render", lambda **place: seen.append(place) or render(**place))
    frames = list(orbit_frames(portrait, 48))
    assert len(frames) == 48 and len(seen) == 25
    assert np.array_equal(frames[5], frames[19]) and not np.array_equal(frames[5], frames[29])


def test_video_is_what_browsers_play(portrait: Portrait3D, tmp_path) -> None:
    path = write_orbit(portrait, tmp_path / "orbit.mp4", 48)
    probe = subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(path)], capture_output=True, text=True).stderr
    assert "h264" in probe and "yuv420p" in probe
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # faststart
    frames = np.stack([np.asarray(f) for f in imageio.get_reader(path)]).astype(int)
    assert frames.shape == (48, 64, 64, 3)
    jumps = np.abs(np.diff(frames, axis=0, append=frames[:1])).mean((1, 2, 3))
    assert jumps[-1] < 2 * np.median(jumps) + 1  # the last frame leads to the first
    assert [p.name for p in tmp_path.iterdir()] == ["orbit.mp4"]
    with pytest.raises(RequestError, match="48"):
        write_orbit(portrait, tmp_path / "short.mp4", 20)


@pytest.mark.parametrize("kind", ["mp4", "gif", "webp"])
def test_a_film_is_what_its_name_says(kind: str, tmp_path) -> None:
    pictures = [np.full((64, 64, 3), 0, np.uint8) for _ in range(48)]
    for number, picture in enumerate(pictures):
        picture[:, number: number + 8] = (200, 5 * number, 40)
    film = write_video(pictures, tmp_path / f"film.{kind}", 33)
    assert film.read_bytes()[:12].startswith({"mp4": b"\0\0\0", "gif": b"GIF89a", "webp": b"RIFF"}[kind])
    frames = np.stack([np.asarray(f)[..., :3] for f in imageio.mimread(film, memtest=False)]).astype(int)
    side = 32 if kind == "mp4" else 33
    assert frames.shape == (48, side, side, 3) and [p.name for p in tmp_path.iterdir()] == [film.name]
    for number in (0, 20, 47):
        small = np.asarray(Image.fromarray(pictures[number]).resize((side, side), Image.Resampling.LANCZOS)).astype(int)
        assert np.abs(frames[number] - small).mean() < 8
    if kind != "mp4":
        info = Image.open(film).info
        assert info["loop"] == 0


def test_a_film_of_another_name_is_refused_before_any_work(portrait: Portrait3D, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(Portrait3D, "render", lambda *args, **place: pytest.fail("rendered"))
    for name in ("film.mov", "film.avi", "film"):
        with pytest.raises(RequestError, match="mp4, .gif, .webp"):
            portrait.orbit_video(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_an_expression_comes_and_goes_smoothly() -> None:
    path = np.array(expression_path(72))
    steps = np.abs(np.diff(path, axis=0, append=path[:1]))
    assert steps[:, 0].max() < 2 and steps[:, 1].max() < 0.05 and np.allclose(steps[-1], steps[0], atol=1e-5)
    assert path[0].tolist() == [0, 0] and path[36].tolist() == [0, 1]  # from the front, to the front
    assert path[:, 0].max() == pytest.approx(20) and path[:, 0].min() == pytest.approx(-20)


def test_an_expression_replaces_its_own_strengths_alone(portrait: Portrait3D, tmp_path, monkeypatch) -> None:
    older, asked = replace(portrait, edits={"age": 1.5, "smile": -1.0, "jaw": 2.0}), []
    monkeypatch.setattr(older, "edit", lambda strengths, directions: asked.append(strengths) or portrait)
    write_expression(older, tmp_path / "s.mp4", {"smile": 2.0, "wink": 1.0, "jaw": 2.0}, 48)
    asked = asked[1:]  # the first only asks whether all can be done
    assert asked[0] == {"age": 1.5, "smile": -1, "jaw": 2, "wink": 0} and asked[24] == {"age": 1.5, "smile": 2, "jaw": 2, "wink": 1}
    assert asked[12] == {"age": 1.5, "smile": 0.5, "jaw": 2, "wink": 0.5} == asked[36]
    assert max(a["jaw"] for a in asked) <= 2 and len(asked) == 48


def test_an_expression_is_refused_before_any_work(portrait: Portrait3D, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(Portrait3D, "render", lambda *args, **place: pytest.fail("rendered"))
    path = tmp_path / "s.mp4"
    for strengths, more, said in (({"component_0": 1.0}, {"frames": 20}, "48"), ({"beauty": 1.0}, {}, "no editing direction"),
                                  ({"component_0": 9.0}, {}, "out of range"),
                                  ({"component_0": 1.0}, {"background": "transparent"}, "transparent")):
        with pytest.raises(RequestError, match=said):
            write_expression(portrait, path, strengths, **more)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_film_of_an_expression(tmp_path) -> None:
    portrait, told = Portrait3D.load(ROOT / "examples" / "noor", "cpu"), []
    path = write_expression(portrait, tmp_path / "smile.mp4", {"smile": 2.5, "mouth_open": 1.5}, 48, lambda *done: told.append(done))
    frames = np.stack([np.asarray(f) for f in imageio.get_reader(path)]).astype(int)
    assert frames.shape == (48, 512, 512, 3) and told == [(i, 48) for i in range(1, 49)]
    assert [p.name for p in tmp_path.iterdir()] == ["smile.mp4"]
    neutral = to_uint8(portrait.render().image).astype(int)
    jumps = np.abs(np.diff(frames, axis=0, append=frames[:1])).mean((1, 2, 3))
    assert np.abs(frames[0] - neutral).mean() < 2  # as well as mp4 keeps it
    assert jumps[-1] < 2 * np.median(jumps) + 1 and jumps.max() < 10
    mouth = np.abs(frames - neutral)[:, 330:420, 190:320].mean((1, 2, 3))
    assert mouth[24] > 5 * mouth[0] and mouth[24] > 10, mouth.round(1)


def test_stills(portrait: Portrait3D, tmp_path) -> None:
    a = imageio.imread(write_still(portrait, tmp_path / "a.png", Pose(30)))
    b = imageio.imread(write_still(portrait, tmp_path / "b.png", Pose(-30)))
    assert a.shape == (64, 64, 3) and np.abs(a.astype(int) - b).mean() > 1


def test_a_head_before_another_background() -> None:
    opacity = torch.tensor([[1.0, 0.5], [0.0, 0.0]])[None, None]
    head = torch.tensor([0.2, -0.4, -1.0])[None, :, None, None].expand(1, 3, 2, 2)
    out = Synthesized(head * opacity + 1 - opacity, head, opacity, opacity)
    assert np.array_equal(on_background(out, "white"), to_uint8(out.image))
    blue = on_background(out, "#0000ff").astype(int)
    own = np.array([153, 76, 0])
    assert np.abs(blue[0, 0] - own).max() <= 1 and (blue[1] == [0, 0, 255]).all()
    assert np.abs(blue[0, 1] - (own + [0, 0, 255]) / 2).max() <= 1
    clear = on_background(out, "transparent").astype(int)
    assert clear[0, 0, 3] == 255 and clear[1, 0, 3] == 0 and abs(clear[0, 1, 3] - 128) <= 1
    assert np.abs(clear[0, :, :3] - own).max() <= 1
    behind = torch.tensor([1.0, -1, -1])[None, :, None, None].expand(1, 3, 4, 4)
    assert (on_background(out, "blurred", behind).astype(int)[1] == [255, 0, 0]).all()
    with pytest.raises(RequestError, match="background"):
        on_background(out, "blurred")
    with pytest.raises(RequestError, match="colour"):
        on_background(out, "greyish")


def test_jpegs_are_not_transparent(portrait: Portrait3D, tmp_path) -> None:
    assert imageio.imread(write_still(portrait, tmp_path / "a.png", background="transparent")).shape == (64, 64, 4)
    with pytest.raises(RequestError, match="transparent"):
        write_still(portrait, tmp_path / "a.jpg", background="transparent")
    assert not (tmp_path / "a.jpg").exists()


def test_mesh_is_valid_gltf_inside_the_box(portrait: Portrait3D, tmp_path) -> None:
    with torch.no_grad():  # a solid ball instead of a random cloud: known where the surface is
        portrait.generator.query = lambda planes, p: (40 * (0.2 - p.norm(dim=-1)) / 0.2, torch.full((1, 8, p.shape[1]), 0.5))
    path = write_mesh(portrait, tmp_path / "head.glb", resolution=48)
    data = path.read_bytes()
    magic, version, length = struct.unpack_from("<4sII", data)
    assert (magic, version, length) == (b"glTF", 2, len(data))
    size = struct.unpack_from("<I", data, 12)[0]
    scene = json.loads(data[20: 20 + size])
    count = scene["accessors"][0]["count"]
    points = np.frombuffer(data, "<f4", 3 * count, 20 + size + 8).reshape(-1, 3)
    radius = np.linalg.norm(points, axis=1)
    assert np.abs(radius - 0.15).max() < 0.01  # raw density 10 is met at radius 0.15
    start = scene["bufferViews"][2]["byteOffset"]
    faces = np.frombuffer(data, "<u4", scene["accessors"][2]["count"], 20 + size + 8 + start).reshape(-1, 3)
    a, b, c = (points[faces[:, i]] for i in range(3))
    outwards = (np.cross(b - a, c - a) * (a + b + c)).sum(1)
    assert (outwards > 0).mean() > 0.99
    start = scene["bufferViews"][3]["byteOffset"]
    normals = np.frombuffer(data, "<f4", 3 * count, 20 + size + 8 + start).reshape(-1, 3)
    assert ((normals * points).sum(1) / radius).min() > 0.99 and np.abs(np.linalg.norm(normals, axis=1) - 1).max() < 1e-5
    assert scene["meshes"][0]["primitives"][0]["attributes"]["NORMAL"] == 3
    assert scene["extensionsUsed"] == ["KHR_materials_unlit"] == list(scene["materials"][0]["extensions"])
    with pytest.raises(RequestError, match="glb"):
        write_mesh(portrait, tmp_path / "head.obj")


def test_a_mesh_is_the_largest_piece() -> None:
    vertices = np.arange(21.0).reshape(7, 3)
    faces = np.array([[4, 5, 6], [0, 1, 2], [1, 2, 3]])
    kept, corners, normals = largest_piece(vertices, faces, -vertices)
    assert np.array_equal(kept, vertices[:4]) and np.array_equal(normals, -vertices[:4]) and corners.tolist() == [[0, 1, 2], [1, 2, 3]]
