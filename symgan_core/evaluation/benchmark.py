"""``evaluate``: run methods on a multi-view file, with one view given, and score all views; or on photos, for which there is no truth."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import RequestError
from ..generator import TriPlaneGenerator
from ..geometry import Camera, unproject, warp_to_view
from ..inversion import METHODS, Inversion, Portrait3D, Target, face_region, make_target, settings, to_uint8
from ..losses import load_perceptual
from .metrics import mean_metrics, picture_metrics, shading_error
from .photos import find_photos, score_photo, start_photo
from .sheet import Sheet

OTHER_VIEWS = {"mirror", "neighbour", "mirrored", "depth"}
"""Losses that take a render of their own."""
FIELDS = ("images", "masks", "depths", "depth_offset", "cameras", "input_view", "names")


def read_multiview(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of a multi-view file (``shared/design.md``). Raises RequestError if it is not one."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in FIELDS}
    except (OSError, KeyError, ValueError) as error:
        raise RequestError(f"'{path}' is not a multi-view file.", f"It must be an .npz with {', '.join(FIELDS)}.") from error


def evaluate(data: str | Path, methods: list[str], generator: TriPlaneGenerator, preset: str = "balanced",
             limit: int | None = None, out: str | Path | None = None, seed: int = 0,
             progress: Callable[[str, str, int, int], None] | None = None) -> dict[str, Any]:
    """Score methods; the given view alone is shown to them.

    Args:
        data: a multi-view file; or a picture, or a folder of pictures, which have no truth (``photos.py``).
        limit: only the first so many people.
        out: JSON file, rewritten after each person; a cut run goes on where it was. Beside it a picture sheet is written.
        progress: called before each run with method, name, how many runs are over, and how many there are.
    """
    unknown = [m for m in methods if m not in METHODS]
    if unknown:
        raise RequestError(f"There is no method '{unknown[0]}'.", f"Choose among: {', '.join(METHODS)}.")
    data = Path(data)
    known_truth = data.suffix == ".npz"
    files = [data] if known_truth else find_photos(data)
    cases = (_people(read_multiview(data), generator) if known_truth else _photos(files, generator))[: limit or None]
    network = load_perceptual(generator.device).name
    result: dict[str, Any] = {
        "methods": {}, "lpips_network": network if network.startswith("lpips") else None, "optimised": network,
        "device": str(generator.device), "preset": preset, "run": _fingerprint(files, generator, seed)}
    out = Path(out) if out else None
    known = _earlier(out, result) if out else {}
    sheet = Sheet(out.with_name(f"{out.stem}-views")) if out else None
    for turn, method in enumerate(methods):
        each: dict[str, Any] = {}
        for case in cases:
            if case.name in known.get(method, {}) and sheet and sheet.has(case.name, method):
                each[case.name] = known[method][case.name]
            else:
                if progress:
                    progress(method, case.name, turn * len(cases) + len(each), len(methods) * len(cases))
                inversion = case.start(method, preset, seed)
                portrait, each[case.name] = _run(case, inversion)
                if sheet:
                    sheet.truth(case.name, *case.shown(inversion))
                    sheet.method(case.name, method, portrait)
            result["methods"][method] = {"mean": _mean(list(each.values())), "each": each}
            if out and sheet:
                out.write_text(json.dumps(result, indent=1) + "\n")
                sheet.write(out.with_name(f"{out.stem}-sheet.jpg"), [c.name for c in cases], methods)
    return result


@dataclass(frozen=True)
class _Case:
    """Somebody to be inverted: how to start, how to score, and what a sheet shows as true (``Sheet.truth``)."""

    name: str
    start: Callable[[str, str, int], Inversion]
    """With a method, a preset and a seed."""
    score: Callable[[Portrait3D, Inversion], dict[str, Any]]
    shown: Callable[[Inversion], tuple[np.ndarray, np.ndarray, int]]


def _run(case: _Case, inversion: Inversion) -> tuple[Portrait3D, dict[str, Any]]:
    begin = time.monotonic()
    renders = sum(_renders(event.losses) for event in inversion if event.losses)
    seconds = time.monotonic() - begin
    portrait = inversion.portrait()
    return portrait, case.score(portrait, inversion) | {"seconds": round(seconds, 2), "renders": renders}


def _people(arrays: dict[str, np.ndarray], generator: TriPlaneGenerator) -> list[_Case]:
    def case(index: int) -> _Case:
        given, targets = int(arrays["input_view"][index]), partial(_target, arrays, index, generator=generator)

        def shown(_: Inversion) -> tuple[np.ndarray, np.ndarray, int]:
            pictures = [to_uint8(targets(view).image) for view in range(arrays["images"].shape[1])]  # on the methods' background
            return np.stack(pictures), arrays["cameras"][index], given

        def start(method: str, preset: str, seed: int) -> Inversion:
            return Inversion(targets(given), generator, settings(method, preset), seed)

        return _Case(str(arrays["names"][index]), start,
                     lambda portrait, _: _score_person(portrait, generator, arrays, index), shown)

    return [case(index) for index in range(len(arrays["names"]))]


def _photos(files: list[Path], generator: TriPlaneGenerator) -> list[_Case]:
    def shown(inversion: Inversion) -> tuple[np.ndarray, np.ndarray, int]:
        target = inversion.target
        return to_uint8(target.image)[None], target.camera.cpu().numpy(), 0

    stems = [file.stem for file in files]
    return [_Case(file.stem if stems.count(file.stem) == 1 else file.name, partial(start_photo, file, generator), score_photo, shown)
            for file in files]


def _fingerprint(files: list[Path], generator: TriPlaneGenerator, seed: int) -> dict[str, Any]:
    """What figures have to have in common to stand in one table."""
    weights, data = hashlib.sha256(), hashlib.sha256()
    for name, value in generator.state_dict().items():
        weights.update(name.encode())
        weights.update(value.cpu().contiguous().numpy().tobytes())
    for file in files:
        data.update(file.read_bytes())
    return {"data": data.hexdigest()[:16], "generator": weights.hexdigest()[:16], "seed": seed, "threads": torch.get_num_threads()}


def _earlier(out: Path, result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Results of each method and person that an earlier run with the same settings has left in ``out``."""
    try:
        earlier = json.loads(out.read_text())
        same = all(earlier[key] == result[key] for key in ("preset", "device", "optimised", "run"))
        return {method: found["each"] for method, found in earlier["methods"].items()} if same else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _target(arrays: dict[str, np.ndarray], index: int, view: int, generator: TriPlaneGenerator) -> Target:
    return make_target(*(arrays[field][index, view] for field in ("images", "cameras", "masks")), generator)


def _score_person(portrait: Portrait3D, generator: TriPlaneGenerator, arrays: dict[str, np.ndarray], index: int) -> dict[str, Any]:
    given = int(arrays["input_view"][index])
    views = [_score_view(portrait, generator, arrays, index, view) for view in range(arrays["images"].shape[1])]
    novel = [v for i, v in enumerate(views) if i != given]
    return {"input": views[given]["view"], "novel": mean_metrics([v["view"] for v in novel]),
            "hidden": mean_metrics([v["hidden"] for v in novel])}


def _renders(losses: dict[str, float]) -> int:
    """Views that a step has rendered."""
    return 1 + len(OTHER_VIEWS & losses.keys())


def _score_view(portrait: Portrait3D, generator: TriPlaneGenerator, arrays: dict[str, np.ndarray], index: int,
                view: int) -> dict[str, dict[str, float | None]]:
    given = int(arrays["input_view"][index])
    truth = _target(arrays, index, view, generator)
    out = portrait.render(truth.camera)
    size = out.image.shape[-2:]
    depth = depth_along_rays(arrays, index, view).to(generator.device)
    depths = F.interpolate(out.image_depth, depth.shape[-2:], mode="bilinear")
    both = torch.isfinite(depth) & (F.interpolate(out.image_opacity, depth.shape[-2:], mode="bilinear") > 0.5)
    error = round(float((depths - depth)[both].abs().mean()), 5) if both.any() else None
    source = _target(arrays, index, given, generator)
    source_depth = depth_along_rays(arrays, index, given).nan_to_num(9.0).to(generator.device)
    filled = depth.nan_to_num(9.0)
    warp = warp_to_view(source.image, source.camera, source_depth, truth.camera, filled, source.mask, 0.02)
    head = truth.mask if truth.mask is not None else torch.ones(1, 1, *size)
    hidden = ((1 - warp.visible) * (head > 0.5)).float()
    face = hidden * F.interpolate(face_region(unproject(filled, truth.camera))[:, None].float(), size)
    shading = shading_error(out.image, truth.image, face)
    return {"view": picture_metrics(out.image, truth.image) | {"depth_l1": error},
            "hidden": picture_metrics(out.image, truth.image, hidden) | {"depth_l1": error, "shading": shading}}


def depth_along_rays(arrays: dict[str, np.ndarray], index: int, view: int) -> Tensor:
    """``[1, 1, h, w]``: the file's z-depth as distance along the ray."""
    z = torch.from_numpy(arrays["depths"][index, view].astype(np.float32)) + float(arrays["depth_offset"])
    k = Camera.from_vector(torch.from_numpy(arrays["cameras"][index, view])).intrinsics[0]
    line = (torch.arange(z.shape[0]) + 0.5) / z.shape[0]
    y, x = torch.meshgrid((line - k[1, 2]) / k[1, 1], (line - k[0, 2]) / k[0, 0], indexing="ij")
    return (z * (1 + x.square() + y.square()).sqrt())[None, None]


def _mean(each: list[dict[str, Any]]) -> dict[str, Any]:
    parts = [part for part in ("input", "novel", "hidden", "turned") if part in each[0]]
    out: dict[str, Any] = {part: mean_metrics([e[part] for e in each]) for part in parts}
    for part in ("seconds", "renders"):
        out[part] = round(sum(e[part] for e in each) / len(each), 2)
    return out
