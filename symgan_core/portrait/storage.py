"""Portraits on disk: one safetensors file, and the report beside it.

It holds the code, the camera, what changed in the generator, and the pictures whose detail the views show: of the photo, the head alone.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from ..errors import CheckpointError
from ..files import check_readable, write_tensors, write_text
from ..generator import TriPlaneGenerator, load_generator
from ..generator.checkpoint import source_hash
from ..geometry.images import to_uint8
from .colour_line import ColourLine
from .detail import DetailPicture
from .materials import Material
from .portrait import Portrait3D

FORMAT, READ = "symgan-portrait-2", ("symgan-portrait-1", "symgan-portrait-2")
"""The first one's portraits have no gate and no pictures."""
MAX_BYTES = 2**30
"""Of a portrait's file; the largest hold half of what an official generator has."""
MAX_PICTURES, MAX_SIDE = 8, 1024
"""No portrait has more or larger ones; a file that does is not read."""
MAX_MATERIALS, MAX_CELLS = 8, 96
"""Likewise of materials, and of the cells along a side of their volumes."""
QUALITY = 92
"""Of WebP."""


def save_portrait(portrait: Portrait3D, folder: Path) -> Path:
    """Write ``portrait.safetensors`` and ``report.json`` into ``folder``; each appears whole or not at all."""
    source = portrait.unedited or portrait
    tensors = {"ws": source.ws.cpu().contiguous(), "camera": source.camera.cpu().contiguous()}
    if portrait.unedited is not None and not portrait.edits:
        tensors["edited_ws"] = portrait.ws.cpu().contiguous()
    if source.planes_offset is not None:
        tensors["planes_offset"], tensors["planes_offset_scale"] = quantise(source.planes_offset.cpu())
    if source.gate is not None:
        tensors["gate"] = (source.gate.cpu().clamp(0, 1) * 255).round().to(torch.uint8).contiguous()
    if portrait.backdrop is not None:
        tensors["backdrop"] = portrait.backdrop.cpu().half().contiguous()
    for number, picture in enumerate(source.pictures):
        tensors |= {f"picture.{number}.{name}": value for name, value in _packed(picture).items()}
    for number, material in enumerate(source.materials):
        tensors |= {f"material.{number}.{name}": value for name, value in _packed_material(material).items()}
    generator = str(portrait.report.get("generator", "builtin"))
    base = load_generator(generator, "cpu").state_dict()
    for name, value in portrait.generator.state_dict().items():
        change = value.detach().cpu() - base[name]
        if change.abs().max() > 0:
            tensors["delta." + name] = change.half().contiguous()
    fine = json.dumps([picture.fine for picture in source.pictures])
    meta = {"format": FORMAT, "generator": generator, "base": source_hash(generator), "report": json.dumps(portrait.report), "fine": fine,
            "edits": json.dumps(portrait.edits)}
    write_tensors(tensors, folder / "portrait.safetensors", meta)
    write_text(folder / "report.json", json.dumps(portrait.report, indent=1) + "\n")
    return folder / "portrait.safetensors"


def load_portrait(folder: Path, device: str | torch.device = "auto", base: TriPlaneGenerator | None = None) -> Portrait3D:
    """Read what ``save_portrait`` wrote; arguments and errors as ``Portrait3D.load`` has them."""
    from safetensors import SafetensorError, safe_open

    path = folder / "portrait.safetensors"
    check_readable(path, CheckpointError)
    if not path.is_file():
        raise CheckpointError(f"There is no portrait in '{folder}'.", "Name a folder that `invert --out` has written.")
    if path.stat().st_size > MAX_BYTES:
        raise CheckpointError(f"'{path.name}' has more than {MAX_BYTES >> 20} MB.", "It is no portrait; run the inversion again.")
    damaged = CheckpointError(f"'{path.name}' cannot be read.", "The file is damaged; run the inversion again.")
    try:
        with safe_open(str(path), framework="pt", device="cpu") as file:
            meta = file.metadata() or {}
            if meta.get("format") not in READ:
                raise CheckpointError(f"'{path.name}' is not a symgan portrait.", "Name a folder that `invert` has written.")
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        report, source = json.loads(meta["report"]), meta["generator"]
        pictures = _pictures(tensors, json.loads(meta.get("fine", "[]")))
        edits = {str(name): float(strength) for name, strength in json.loads(meta.get("edits", "{}")).items()}
        if not isinstance(report, dict):
            raise TypeError("the report is no object")
    except (SafetensorError, AttributeError, KeyError, TypeError, ValueError, OSError, SyntaxError, RecursionError, RuntimeError) as error:
        raise damaged from error
    if meta.get("base") != source_hash(source):  # changes of weights mean nothing on other weights
        raise CheckpointError(f"'{path.name}' belongs to another version of the generator.", "Run the inversion again.")
    base = load_generator(source, device) if base is None else base
    try:
        portrait = _assembled(path.name, tensors, report, pictures, base)
    except (KeyError, TypeError, ValueError, RuntimeError, OSError, SyntaxError) as error:
        raise damaged from error
    if edits:
        return portrait.edit(edits)
    return portrait.with_ws(tensors["edited_ws"].to(portrait.ws)) if "edited_ws" in tensors else portrait


def _assembled(name: str, tensors: dict[str, Tensor], report: dict, pictures: list[DetailPicture], base: TriPlaneGenerator) -> Portrait3D:
    """The unedited portrait of these tensors. Raises KeyError or ValueError where one is missing or of another shape than it must be."""
    config, place = base.config, base.device
    plane = (1, 3, config.plane_channels)
    shapes = {"ws": (1, config.num_ws, config.w_dim), "edited_ws": (1, config.num_ws, config.w_dim), "camera": (1, 25),
              "planes_offset": (*plane, 0, 0), "planes_offset_scale": (*plane, 1, 1), "gate": (1, 1, 0, 0, 0), "backdrop": (1, 3, 0, 0)}
    for key, shape in shapes.items():
        found = tensors.get(key)
        if found is not None and not (found.dim() == len(shape) and all(a == b or (not b and 0 < a <= MAX_SIDE)
                                                                      for a, b in zip(found.shape, shape, strict=True))):
            raise ValueError(f"{key} has the shape {tuple(found.shape)}")
    if not all(torch.isfinite(value).all() for value in tensors.values() if value.is_floating_point()):
        raise ValueError("numbers that are not finite")
    changes = {key.removeprefix("delta."): change for key, change in tensors.items() if key.startswith("delta.")}
    generator = base.copy_with_trainable({key.split(".")[0] for key in changes})
    state = generator.state_dict()
    for key, change in changes.items():
        if key not in state or state[key].shape != change.shape:
            raise CheckpointError(f"'{name}' belongs to another version of the generator.", "Run the inversion again.")
        state[key] += change.to(state[key])
    offset = gate = None
    if "planes_offset" in tensors:
        offset = (tensors["planes_offset"].float() * tensors["planes_offset_scale"]).to(place)
    if "gate" in tensors:
        gate = (tensors["gate"].float() / 255).to(place)
    backdrop = tensors["backdrop"].float().to(place) if "backdrop" in tensors else None
    materials = tuple(material.to(place) for material in _materials(tensors, config.box_warp / 2))
    return Portrait3D(generator, tensors["ws"].float().to(place), tensors["camera"].float().to(place), report, offset, backdrop, gate,
                      tuple(picture.to(place) for picture in pictures), materials)


def quantise(offset: Tensor) -> tuple[Tensor, Tensor]:
    """``[1, 3, C, H, W]`` to int8 and the step of each channel ``[1, 3, C, 1, 1]``: a quarter of the size, and the error is at
    most 1/254 of the channel's largest change."""
    scale = offset.abs().amax((-2, -1), keepdim=True).clamp(min=1e-8) / 127
    return (offset / scale).round().to(torch.int8).contiguous(), scale.contiguous()


def stored_pictures(pictures: tuple[DetailPicture, ...]) -> tuple[DetailPicture, ...]:
    """The pictures as they come back from a file, so that a fresh portrait looks like a loaded one."""
    packed = {f"picture.{n}.{name}": value for n, picture in enumerate(pictures) for name, value in _packed(picture).items()}
    return tuple(found.to(picture.image.device) for found, picture in zip(_pictures(packed, [p.fine for p in pictures]), pictures,
                                                                          strict=True))


def _packed(picture: DetailPicture) -> dict[str, Tensor]:
    """``head``: a WebP with the mask as its alpha, and without any colour beyond the head; ``trust``: a grey WebP, without loss."""
    alpha = to_uint8(picture.mask.expand(-1, 3, -1, -1) * 2 - 1)[..., :1]
    colours = np.where(alpha > 0, to_uint8(picture.image), 255).astype(np.uint8)
    head = Image.fromarray(np.concatenate([colours, alpha], 2))
    trust = Image.fromarray(to_uint8(picture.trust.expand(-1, 3, -1, -1) * 2 - 1))
    return {"head": _encoded(head, quality=QUALITY, alpha_quality=100, method=4), "trust": _encoded(trust, lossless=True),
            "camera": picture.camera.cpu().clone()}


def _packed_material(material: Material) -> dict[str, Tensor]:
    """``volume``: a grey WebP without loss, of D rows and D² columns; ``numbers [11]``: the line of colours, its span, mean brightness, and
    the contrasts of strands and grain."""
    colours = material.colours
    numbers = [*colours.line.flatten().tolist(), *colours.span.tolist(), material.bright, material.strands, material.grain]
    flat = material.volume.flatten(3)[0].expand(3, -1, -1)
    return {"volume": _encoded(Image.fromarray(to_uint8(flat * 2 - 1)), lossless=True), "numbers": torch.tensor(numbers)}


def _materials(tensors: dict[str, Tensor], half_box: float) -> Iterator[Material]:
    """Raises KeyError or ValueError where they are damaged."""
    for number in range(MAX_MATERIALS):
        if f"material.{number}.volume" not in tensors:
            return
        numbers = tensors[f"material.{number}.numbers"].float()
        if numbers.shape == (10,):  # of before there was grain
            numbers = F.pad(numbers, (0, 1))
        image = _opened(tensors[f"material.{number}.volume"])
        cells = image.height
        if numbers.shape != (11,) or image.width != cells**2 or cells > MAX_CELLS:
            raise ValueError(f"a material of {image.size} cells and {tuple(numbers.shape)} numbers")
        volume = torch.from_numpy(np.array(image.convert("L"))).float().reshape(1, 1, cells, cells, cells) / 255
        bright, strands, grain = numbers[8:].tolist()
        yield Material(volume, ColourLine(numbers[:6].reshape(2, 3), numbers[6:8]), bright, strands, grain, half_box)


def _encoded(image: Image.Image, **options: int | bool) -> Tensor:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", **options)
    return torch.frombuffer(bytearray(buffer.getvalue()), dtype=torch.uint8)


def _pictures(tensors: dict[str, Tensor], fine: list[bool]) -> list[DetailPicture]:
    """Raises KeyError, ValueError or OSError where one is missing or damaged."""
    if len(fine) > MAX_PICTURES:
        raise ValueError("too many pictures")
    out = []
    for number, one in enumerate(fine):
        head, trust = (_decoded(tensors[f"picture.{number}.{name}"], mode) for name, mode in (("head", "RGBA"), ("trust", "RGB")))
        mask = head[:, 3:]
        # Lossy colours bleed over the outline: what the mask leaves out is white.
        image = torch.where(mask > 0, head[:, :3], torch.ones_like(mask)) * 2 - 1
        camera = tensors[f"picture.{number}.camera"].float().reshape(1, 25)
        out.append(DetailPicture(image, mask, trust[:, :1], camera, bool(one)))
    return out


def _opened(data: Tensor) -> Image.Image:
    """A WebP, not decoded yet."""
    return Image.open(io.BytesIO(data.numpy().tobytes()), formats=["WEBP"])


def _decoded(data: Tensor, mode: str) -> Tensor:
    """``[1, C, S, S]`` in [0, 1]."""
    image = _opened(data)
    if image.width != image.height or image.width > MAX_SIDE:
        raise ValueError(f"a picture of {image.width} x {image.height} pixels")
    return torch.from_numpy(np.array(image.convert(mode))).permute(2, 0, 1)[None].float() / 255
