"""Small valid inputs, from which mutations start."""

from __future__ import annotations

import io
import json
import random
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from symgan_core.generator import TriPlaneGenerator, save_generator
from symgan_core.portrait import Portrait3D
from tests.conftest import make_tiny
from tests.faces.photo.making import P3, directory, encode, rgb_profile

SIDE = 96


def photos() -> dict[str, bytes]:
    """Photos by format, with Exif and a colour profile where the format has them, and animations."""
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (SIDE // 8, SIDE // 8, 3)).astype(np.uint8)).resize((SIDE, SIDE))
    exif = b"Exif\0\0" + directory([(0x010E, 2, 8, b"a photo\0"), (0x0112, 3, 1, struct.pack("<H", 6)),
                                    (0x011A, 5, 1, struct.pack("<II", 72, 1)), (0x8769, 4, 1, struct.pack("<I", 8))])
    told = {"exif": exif, "icc_profile": rgb_profile(P3)}
    other = image.transpose(Image.Transpose.ROTATE_90)
    found = {"jpeg": encode(image, "JPEG", **told), "progressive": encode(image, "JPEG", progressive=True, **told),
             "png": encode(image, **told), "deep png": encode(Image.fromarray(rng.integers(0, 65536, (SIDE, SIDE)).astype(np.uint16))),
             "palette": encode(image.quantize(32), transparency=bytes(range(32))), "gif": encode(image, "GIF"),
             "animated gif": encode(image, "GIF", save_all=True, append_images=[other] * 3), "bmp": encode(image, "BMP"),
             "apng": encode(image, save_all=True, append_images=[other] * 3),
             "tiff": encode(image, "TIFF", icc_profile=told["icc_profile"]), "lzw": encode(image, "TIFF", compression="tiff_lzw"),
             "float tiff": encode(Image.fromarray(rng.random((SIDE, SIDE), np.float32)), "TIFF"),
             "webp": encode(image, "WEBP", **told), "animated webp": encode(image, "WEBP", save_all=True, append_images=[other] * 3),
             "avif": encode(image, "AVIF", **told)}
    try:
        import pillow_heif
    except ImportError:
        return found
    out, file = io.BytesIO(), pillow_heif.from_pillow(image)
    file.info["icc_profile"] = told["icc_profile"]
    file.save(out)
    return found | {"heic": out.getvalue()}


def portrait(folder: Path) -> tuple[TriPlaneGenerator, bytes, bytes]:
    """A tiny generator, its file, and the file of a portrait made with it."""
    generator = make_tiny()
    path = folder / "tiny.safetensors"
    save_generator(generator, path)
    camera = torch.zeros(1, 25)
    rng = torch.Generator().manual_seed(0)
    head = Portrait3D(generator, generator.mapping(torch.ones(1, 16), camera), camera, {"generator": str(path)},
                      0.1 * torch.randn(1, 3, 8, 16, 16, generator=rng), torch.zeros(1, 3, 8, 8), torch.rand(1, 1, 8, 8, 8, generator=rng))
    head.save(folder / "head")
    return generator, path.read_bytes(), (folder / "head" / "portrait.safetensors").read_bytes()


def header_changed(data: bytes, rng: random.Random) -> bytes:
    """A safetensors file with one value of its header's JSON replaced, at any depth."""
    length = struct.unpack_from("<Q", data)[0]
    header = json.loads(data[8:8 + length])
    for key in ("config", "report", "edits", "fine"):
        if key in header.get("__metadata__", {}):
            header["__metadata__"][key] = json.loads(header["__metadata__"][key])
    _replace(header, rng)
    meta = header.get("__metadata__")
    for key in ("config", "report", "edits", "fine"):
        if isinstance(meta, dict) and key in meta:
            meta[key] = json.dumps(meta[key])
    packed = json.dumps(header).encode()
    return struct.pack("<Q", len(packed)) + packed + data[8 + length:]


VALUES: tuple[Callable[[random.Random], object], ...] = (
    lambda r: None, lambda r: True, lambda r: -1, lambda r: 0, lambda r: 2**r.randrange(70), lambda r: 10.0**r.randrange(300),
    lambda r: float("nan"), lambda r: "", lambda r: "x" * r.randrange(2000), lambda r: "../" * r.randrange(9), lambda r: [],
    lambda r: [[[1]]] * 3, lambda r: {}, lambda r: {"a": {"b": 1}}, lambda r: "\0", lambda r: "\udc80", lambda r: "/dev/zero",
    lambda r: {"path": "http://127.0.0.1:1/a", "meta": {"_type": "gradio.FileData"}},
    lambda r: {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}})


def strange(rng: random.Random) -> object:
    """Any JSON value that nobody would send in good faith."""
    return rng.choice(VALUES)(rng)


def _replace(node: object, rng: random.Random) -> None:
    while isinstance(node, dict | list) and node:
        key = rng.choice(list(node)) if isinstance(node, dict) else rng.randrange(len(node))
        child = node[key]  # type: ignore[index]
        if not isinstance(child, dict | list) or not child or rng.random() < 0.2:
            node[key] = strange(rng)  # type: ignore[index]
            return
        node = child
