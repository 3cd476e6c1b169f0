
import numpy as np
import pytest
import torch
from PIL import Image

from symgan_core.errors import CheckpointError, PhotoError, RequestError
from symgan_core.generator import TriPlaneGenerator, load_generator, save_generator
from symgan_core.inversion import (
    Inversion,
    PhotoRequest,
    Portrait3D,
    invert_crop,
    invert_photo,
    make_target,
    runner,
)
from symgan_core.inversion.method import PRESETS
from tests.inversion.heads import photo_of, short, start


def test_a_photo_file_becomes_a_portrait(astronaut: np.ndarray, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(PRESETS, "fast", (1, 1))
    monkeypatch.setattr(runner, "views_from", None)  # no picture is drawn that nobody sees
    path = tmp_path / "me.png"
    Image.fromarray(astronaut).save(path)
    portrait = invert_photo(path, preset="fast", request=PhotoRequest(yaw=0.0, pitch=0.0))
    assert portrait.report["preset"] == "fast" and portrait.report["camera_moved"] == {"yaw": 0, "pitch": 0}
    assert portrait.report["steps"] == {"guess": 2, "pivot": 1, "tuning": 1}
    image = portrait.render().image
    assert image.shape == (1, 3, 512, 512) and float(image[..., 200:320, 200:320].mean()) < 0.9
    with pytest.raises(RequestError, match="instant"):
        invert_photo(path, preset="instant")
    with pytest.raises(PhotoError):
        invert_photo(tmp_path / "nobody.png")


def test_the_door_checks_its_inputs(tiny: TriPlaneGenerator, frontal: torch.Tensor) -> None:
    crop = np.zeros((64, 64, 3), np.uint8)
    for bad, camera, mask in ((crop[:, :32], frontal, None), (crop.astype(float), frontal, None), (crop, frontal[:24], None),
                              (crop, frontal * float("nan"), None), (crop, frontal, np.zeros((8, 8), np.uint8))):
        with pytest.raises(RequestError):
            invert_crop(bad, camera, mask, generator=tiny)
    with pytest.raises(RequestError, match="no method"):
        invert_crop(crop, frontal, method="magic", generator=tiny)
    with pytest.raises(RequestError, match="no preset"):
        invert_crop(crop, frontal, preset="instant", generator=tiny)


def test_views_out_of_range_are_refused(tiny: TriPlaneGenerator) -> None:
    portrait = start(tiny, short()).portrait()
    for view in ({"yaw": 120}, {"pitch": 60}, {"zoom": 9}, {"yaw": float("nan")}):
        with pytest.raises(RequestError):
            portrait.render(**view)


def test_save_and_load_give_the_same_picture(tiny: TriPlaneGenerator, tmp_path) -> None:
    save_generator(tiny, tmp_path / "tiny.safetensors")
    tiny = load_generator(str(tmp_path / "tiny.safetensors"), "cpu")  # as precise as the one that the portrait finds
    image, mask, camera = photo_of(tiny, 25)
    inversion = Inversion(make_target(image, camera, mask, tiny), tiny, short(), 0, str(tmp_path / "tiny.safetensors"))
    list(inversion)
    portrait = inversion.portrait()
    portrait.save(tmp_path / "out")
    for loaded in (Portrait3D.load(tmp_path / "out", "cpu"), Portrait3D.load(tmp_path / "out", base=tiny)):
        assert (loaded.render(yaw=15).image - portrait.render(yaw=15).image).abs().mean() < 1 / 255
        assert loaded.report == portrait.report and torch.allclose(loaded.backdrop, portrait.backdrop, atol=1e-3)
    names = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert names == ["portrait.safetensors", "report.json"]  # the photo is not among them


def test_a_portrait_of_other_weights_is_refused(tiny: TriPlaneGenerator, tmp_path) -> None:
    """Same shapes, other numbers: the changes would be laid over a stranger."""
    save_generator(tiny, tmp_path / "tiny.safetensors")
    image, mask, camera = photo_of(tiny, 25)
    inversion = Inversion(make_target(image, camera, mask, tiny), tiny, short(first=1, second=1), 0, str(tmp_path / "tiny.safetensors"))
    list(inversion)
    inversion.portrait().save(tmp_path / "out")
    tiny.decoder.net[0].bias += 1
    save_generator(tiny, tmp_path / "tiny.safetensors")
    with pytest.raises(CheckpointError, match="another version"):
        Portrait3D.load(tmp_path / "out", "cpu")
    (tmp_path / "tiny.safetensors").unlink()
    with pytest.raises(CheckpointError, match="does not exist"):
        Portrait3D.load(tmp_path / "out", base=tiny)


def test_damaged_portraits_are_refused(tmp_path) -> None:
    with pytest.raises(CheckpointError, match="no portrait"):
        Portrait3D.load(tmp_path)
    (tmp_path / "portrait.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0not json at all!")
    with pytest.raises(CheckpointError, match="cannot be read"):
        Portrait3D.load(tmp_path)
