"""What a portrait's file holds, and what it refuses."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from symgan_core.errors import CheckpointError
from symgan_core.generator import TriPlaneGenerator, load_generator, save_generator
from symgan_core.portrait import DetailPicture, Portrait3D
from symgan_core.portrait.colour_line import ColourLine
from symgan_core.portrait.materials import Material
from symgan_core.portrait.storage import stored_pictures


@pytest.fixture
def portrait(tiny: TriPlaneGenerator, frontal: torch.Tensor, tmp_path) -> Portrait3D:
    """One whose photo has a green head before something red."""
    save_generator(tiny, tmp_path / "tiny.safetensors")
    generator = load_generator(str(tmp_path / "tiny.safetensors"), "cpu")
    image = torch.full((1, 3, 512, 512), -1.0)
    mask = torch.zeros(1, 1, 512, 512)
    mask[..., 100:400, 150:350] = 1
    image[:, 1:2] = mask * 2 - 1
    image[:, :1] = 1 - 2 * mask
    picture = DetailPicture(image, mask, mask[..., ::4, ::4], frontal[None])
    rng = torch.Generator().manual_seed(0)
    return Portrait3D(generator, generator.mapping(torch.ones(1, 16), frontal[None]), frontal[None],
                      {"generator": str(tmp_path / "tiny.safetensors")}, 0.1 * torch.randn(1, 3, 8, 16, 16, generator=rng), None,
                      torch.rand(1, 1, 8, 8, 8, generator=rng), (picture,))


def test_it_comes_back_as_it_was(portrait: Portrait3D, tmp_path) -> None:
    portrait.pictures = stored_pictures(portrait.pictures)
    portrait.save(tmp_path / "out")
    again = Portrait3D.load(tmp_path / "out", "cpu")
    assert torch.allclose(again.gate, portrait.gate, atol=1 / 255) and len(again.pictures) == 1
    assert (again.render(yaw=10).image - portrait.render(yaw=10).image).abs().mean() < 2 / 255
    assert (again.render(yaw=0).image - again.render(yaw=0, detail=False).image).abs().mean() > 0.02


def test_materials_come_back_as_they_were(portrait: Portrait3D, tmp_path) -> None:
    rng = torch.Generator().manual_seed(0)
    volume = (torch.rand(1, 1, 9, 9, 9, generator=rng) * 255).round() / 255
    line = ColourLine(torch.randn(2, 3, generator=rng), torch.tensor([-2.0, -0.5]))
    portrait.materials = (Material(volume, line, -1.0, 0.1, 0.0, 0.4), Material(1 - volume, line, -0.5, 0.0, 0.03, 0.4))
    portrait.save(tmp_path / "out")
    first, second = Portrait3D.load(tmp_path / "out", "cpu").materials
    assert torch.allclose(first.volume, volume) and torch.allclose(second.volume, 1 - volume, atol=1e-6)
    assert torch.allclose(first.colours.line, line.line) and (first.bright, second.bright) == (-1.0, -0.5)
    assert (first.strands, second.strands) == (pytest.approx(0.1), 0) and (first.grain, second.grain) == (0, pytest.approx(0.03))
    assert first.half_box == pytest.approx(portrait.generator.config.box_warp / 2)


def test_materials_of_before_there_was_grain_open(portrait: Portrait3D, tmp_path) -> None:
    line = ColourLine(torch.ones(2, 3), torch.tensor([-2.0, -0.5]))
    portrait.materials = (Material(torch.ones(1, 1, 9, 9, 9), line, -1.0, 0.1, 0.05, 0.4),)
    tensors = load_file(path := portrait.save(tmp_path / "out"))
    with safe_open(str(path), framework="pt") as file:
        meta = file.metadata()
    save_file(tensors | {"material.0.numbers": tensors["material.0.numbers"][:10].clone()}, str(path), meta)
    (found,) = Portrait3D.load(tmp_path / "out", "cpu").materials
    assert found.strands == pytest.approx(0.1) and found.grain == 0


@pytest.mark.parametrize("size", [(100, 10000), (9, 80), None])
def test_strange_materials_are_refused(portrait: Portrait3D, size: tuple[int, int] | None, tmp_path) -> None:
    if size is None:
        volume = torch.zeros(40, dtype=torch.uint8)
    else:
        Image.new("RGB", size[::-1]).save(stream := io.BytesIO(), "WEBP", lossless=True)
        volume = torch.frombuffer(bytearray(stream.getvalue()), dtype=torch.uint8)
    tensors = load_file(path := portrait.save(tmp_path / "out"))
    with safe_open(str(path), framework="pt") as file:
        meta = file.metadata()
    save_file(tensors | {"material.0.volume": volume, "material.0.numbers": torch.zeros(10)}, str(path), meta)
    with pytest.raises(CheckpointError, match="damaged"):
        Portrait3D.load(tmp_path / "out", "cpu")


def test_of_the_photo_the_head_alone_is_stored(portrait: Portrait3D, tmp_path) -> None:
    tensors = load_file(portrait.save(tmp_path / "out"))
    head = np.asarray(Image.open(io.BytesIO(tensors["picture.0.head"].numpy().tobytes())).convert("RGBA")).astype(int)
    red = (head[..., 0] > head[..., 1] + 60) & (head[..., 0] > head[..., 2] + 60)
    green = (head[..., 1] > 150) & (head[..., 0] < 100)
    assert not red.any() and 0.9 < green.mean() / (300 * 200 / 512**2) < 1.1
    assert tensors["picture.0.head"].dtype == tensors["picture.0.trust"].dtype == torch.uint8


def test_an_edited_portrait_comes_back_edited(portrait: Portrait3D, tmp_path) -> None:
    other = portrait.with_ws(portrait.ws + 0.3)
    other.save(tmp_path / "out")
    again = Portrait3D.load(tmp_path / "out", "cpu")
    assert torch.allclose(again.ws, other.ws) and torch.allclose(again.unedited.ws, portrait.ws)
    assert (again.render(yaw=10).image - other.render(yaw=10).image).abs().mean() < 2 / 255
    assert torch.equal(other.with_ws(portrait.ws + 0.1).ws, portrait.ws + 0.1) and other.with_ws(portrait.ws).unedited is portrait


def test_portraits_of_the_first_format_open(portrait: Portrait3D, tmp_path) -> None:
    path = portrait.save(tmp_path / "out")
    with safe_open(str(path), "pt") as file:
        meta = file.metadata() | {"format": "symgan-portrait-1"}
    del meta["fine"]
    old = {name: value for name, value in load_file(path).items() if name.startswith(("ws", "camera", "planes_offset"))}
    save_file(old, str(path), meta)
    again = Portrait3D.load(tmp_path / "out", "cpu")
    assert again.gate is None and not again.pictures
    with torch.no_grad():
        planes = portrait.generator.planes(portrait.ws) + portrait.planes_offset
    assert torch.allclose(again.planes(), planes, atol=1e-2)


@pytest.mark.parametrize("fault", ["many", "large", "no picture", "not one"])
def test_strange_pictures_are_refused(portrait: Portrait3D, fault: str, tmp_path) -> None:
    path = portrait.save(tmp_path / "out")
    with safe_open(str(path), "pt") as file:
        meta = file.metadata()
    tensors = load_file(path)
    if fault == "many":
        meta["fine"] = "[" + ",".join(["false"] * 1000) + "]"
    elif fault == "large":
        buffer = io.BytesIO()
        Image.new("RGBA", (4096, 4096)).save(buffer, "WEBP")
        tensors["picture.0.head"] = torch.frombuffer(bytearray(buffer.getvalue()), dtype=torch.uint8)
    elif fault == "no picture":
        del tensors["picture.0.trust"]
    else:
        tensors["picture.0.head"] = torch.zeros(100, dtype=torch.uint8)
    save_file(tensors, str(path), meta)
    with pytest.raises(CheckpointError, match="cannot be read"):
        Portrait3D.load(tmp_path / "out", "cpu")


@pytest.mark.parametrize("fault", ["ws", "camera", "planes_offset", "planes_offset_scale", "gate", "nan", "report", "edits"])
def test_tensors_of_other_shapes_and_numbers_are_refused(portrait: Portrait3D, fault: str, tmp_path) -> None:
    path = portrait.save(tmp_path / "out")
    with safe_open(str(path), "pt") as file:
        meta = file.metadata()
    tensors = load_file(path)
    if fault in tensors:
        tensors[fault] = tensors[fault][:, :-1].contiguous()
    elif fault == "nan":
        tensors["ws"][0, 0, 0] = float("nan")
    elif fault == "report":
        meta["report"] = "[" * 100_000
    else:
        meta["edits"] = "[1]"
    save_file(tensors, str(path), meta)
    with pytest.raises(CheckpointError, match="cannot be read") as error:
        Portrait3D.load(tmp_path / "out", "cpu")
    assert "\n" not in str(error.value)


def test_a_file_without_its_scale_or_its_code_is_refused(portrait: Portrait3D, tmp_path) -> None:
    path = portrait.save(tmp_path / "out")
    with safe_open(str(path), "pt") as file:
        meta = file.metadata()
    for missing in ("planes_offset_scale", "ws", "camera"):
        save_file({name: value for name, value in load_file(path).items() if name != missing}, str(tmp_path / "out" / "cut"), meta)
        (tmp_path / missing).mkdir()
        (tmp_path / "out" / "cut").rename(tmp_path / missing / "portrait.safetensors")
        with pytest.raises(CheckpointError):
            Portrait3D.load(tmp_path / missing, "cpu")
