"""Files that were cut off, large ones, animations; HEIC."""

import io
import struct
import subprocess
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageFile

from symgan_core.errors import PhotoError
from symgan_core.faces import read_photo
from symgan_core.faces.photo import heif
from symgan_core.faces.photo.jpeg import split_jpeg

from .making import P3, encode, gradient, in_space, rgb_profile


@pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"progressive": True}, {"restart_marker_blocks": 3}], ids=str)
def test_a_jpeg_without_its_end_is_whole(astronaut: np.ndarray, options: dict) -> None:
    data = encode(Image.fromarray(astronaut), "JPEG", quality=88, **options)
    for cut in (1, 2):
        assert np.array_equal(read_photo(data[:-cut]), read_photo(data))
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF"])
def test_a_file_that_was_cut_off_is_read_if_most_is_there(astronaut: np.ndarray, kind: str) -> None:
    data = encode(Image.fromarray(astronaut), kind, **({"interlace": 0} if kind == "GIF" else {}))
    whole, most = read_photo(data).astype(int), read_photo(data[:int(0.96 * len(data))]).astype(int)
    same = (whole == most).all((1, 2))
    assert 0.9 < same.mean() < 1
    missing = np.flatnonzero(~same)
    last = missing[0] - 1 if missing[0] else missing[-1] + 1
    assert (most[missing] == most[last]).all()  # that row again, no grey and no noise
    with pytest.raises(PhotoError, match=r"cut off: \d\d % of the picture is there") as error:
        read_photo(data[:int(0.6 * len(data))])
    assert error.value.help


def test_a_jpeg_that_was_cut_off_above_white_is_measured_too() -> None:
    white = Image.new("RGB", (512, 512), "white")
    white.paste(gradient(512, 100))
    data = encode(white, "JPEG")
    assert read_photo(data[:-2])[-1, -1].tolist() == [255, 255, 255]
    with pytest.raises(PhotoError, match="cut off"):
        read_photo(data[:len(data) // 2])


def test_a_progressive_jpeg_needs_some_detail(astronaut: np.ndarray) -> None:
    data = encode(Image.fromarray(astronaut), "JPEG", progressive=True)
    assert np.abs(read_photo(data[:int(0.7 * len(data))]).astype(int) - astronaut).mean() < 6
    with pytest.raises(PhotoError, match="detail is missing"):
        read_photo(data[:int(0.15 * len(data))])


def test_files_that_give_all_or_nothing_say_so(astronaut: np.ndarray) -> None:
    for kind in ("WEBP", "AVIF"):
        with pytest.raises(PhotoError, match="damaged"):
            read_photo(encode(Image.fromarray(astronaut), kind)[:-40])


def test_a_jpeg_of_108_megapixels_is_read(astronaut: np.ndarray) -> None:
    photo = read_photo(encode(Image.fromarray(astronaut).resize((12_000, 9_000)), "JPEG", quality=60))
    assert photo.shape == (1536, 2048, 3)
    assert np.abs(photo.astype(int) - np.asarray(Image.fromarray(astronaut).resize((2048, 1536)))).mean() < 3


def test_what_a_jpeg_holds_at_once_is_limited() -> None:
    large = Image.new("L", (12_000, 9_000), 90)
    with pytest.raises(PhotoError, match="12000 x 9000"):  # all of its coefficients would be in memory
        read_photo(encode(large, "JPEG", quality=20, progressive=True))
    with pytest.raises(PhotoError, match="48 megapixels"):
        read_photo(encode(Image.new("L", (10_000, 5_000)), "WEBP", lossless=True, method=0))
    head = bytearray(encode(gradient(), "JPEG"))
    place = head.index(b"\xff\xc0")
    head[place + 5:place + 9] = struct.pack(">HH", 60_000, 60_000)
    with pytest.raises(PhotoError, match="60000 x 60000"):
        read_photo(bytes(head))


def test_a_jpeg_of_too_many_scans_is_refused() -> None:
    data = encode(gradient(), "JPEG", progressive=True)
    begin = data.rindex(b"\xff\xda")
    with pytest.raises(PhotoError, match="too many scans"):
        read_photo(data[:-2] + data[begin:-2] * 100 + b"\xff\xd9")
    assert split_jpeg(data + b"the next picture" + data).data == split_jpeg(data).data


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_the_first_frame_that_shows_something_is_read(kind: str, astronaut: np.ndarray) -> None:
    black, shown = Image.new("RGB", (512, 512)), Image.fromarray(astronaut)
    options = {"save_all": True, "duration": 40}
    data = encode(black, kind, append_images=[black, shown, Image.new("RGB", (512, 512), "red")], **options)
    assert np.abs(read_photo(data).astype(int) - astronaut).mean() < 8
    assert read_photo(encode(black, kind)).max() == 0
    many = [Image.new("RGB", (512, 512), (number, 0, 0)) for number in range(60)]
    assert read_photo(encode(many[0], kind, append_images=[*many[1:], shown], **options)).max() < 40  # no search without an end


def test_formats_are_told_by_content(tmp_path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(encode(gradient(), "JPEG"))
    assert read_photo(path).shape == (80, 120, 3)
    for data, name in ((b"%PDF-1.7\n", "PDF"), (b"8BPS\0\1", "Photoshop"), (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", "video")):
        with pytest.raises(PhotoError, match=name):
            read_photo(data)


def test_photos_are_read_in_threads_at_once(astronaut: np.ndarray) -> None:
    whole = encode(Image.fromarray(astronaut), "JPEG")
    files = [whole, whole[:-2], whole[:len(whole) // 2], b"nothing"] * 8

    def shape(data: bytes) -> tuple | str:
        try:
            return read_photo(data).shape
        except PhotoError as error:
            return error.seen.split()[0]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(shape, files)) == [(512, 512, 3), (512, 512, 3), "The", "The"] * 8


def heic(image: Image.Image, exif: bytes | None = None) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif")
    out, file = io.BytesIO(), pillow_heif.from_pillow(image)
    file.info["exif"] = exif
    file.save(out, quality=-1, chroma=444)
    return out.getvalue()


def test_heic_is_read_with_its_profile(astronaut: np.ndarray) -> None:
    image = Image.fromarray(in_space(astronaut, P3))
    image.info["icc_profile"] = rgb_profile(P3)
    assert np.abs(read_photo(heic(image)).astype(int) - astronaut).mean() < 1.5
    clear = Image.fromarray(astronaut).convert("RGBA")
    clear.putalpha(0)
    assert np.abs(read_photo(heic(clear)).astype(int) - astronaut).mean() < 1.5


def test_heic_is_turned_by_the_picture_and_its_exif_is_not_read() -> None:
    exif = Image.Exif()
    exif[274] = 6  # the encoder writes both: Exif, and the property of the picture that decoders follow
    data = heic(gradient(), exif.tobytes())
    wanted = np.rot90(np.asarray(gradient()), -1)
    assert np.abs(read_photo(data).astype(int) - wanted).mean() < 3
    assert data.count(b"MM\0*") == 1
    assert np.abs(read_photo(data.replace(b"MM\0*", b"\xff" * 4)).astype(int) - wanted).mean() < 3


def test_heic_that_cannot_be_read_is_one_line(astronaut: np.ndarray, monkeypatch) -> None:
    data = heic(Image.fromarray(astronaut))
    with pytest.raises(PhotoError, match="HEIC photo is damaged"):
        read_photo(data[:len(data) // 2])
    with pytest.raises(PhotoError, match="only 40 x 40"):
        read_photo(heic(gradient(40, 40)))
    huge = bytearray(data)
    for place in (at for at in range(len(data)) if data.startswith(b"ispe", at)):
        huge[place + 8:place + 16] = struct.pack(">II", 30_000, 30_000)
    with pytest.raises(PhotoError, match="30000 x 30000"):
        read_photo(bytes(huge))

    def slow(*args, **named):
        raise subprocess.TimeoutExpired("heif", 1)

    monkeypatch.setattr(heif.subprocess, "run", slow)
    with pytest.raises(PhotoError, match="too long"):
        read_photo(data)
    monkeypatch.setattr(heif, "find_spec", lambda name: None)
    with pytest.raises(PhotoError, match="format HEIC") as error:
        read_photo(data)
    assert "JPEG" in error.value.help and "pillow-heif" in error.value.help
