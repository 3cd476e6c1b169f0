"""``evaluate``: run methods on a multi-view file, with one view given, and score all views."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import RequestError
from ..generator import TriPlaneGenerator
from ..geometry import Camera, unproject, warp_to_view
from ..inversion import METHODS, Inversion, Portrait3D, face_region, make_target, settings, to_uint8
from ..losses import load_perceptual
from .metrics import mean_metrics, picture_metrics, shading_error
from .sheet import Sheet

OTHER_VIEWS = {"mirror", "neighbour", "mirrored", "kept", "depth"}
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
             progress: Callable[[str, str], None] | None = None) -> dict[str, Any]:
    """Score methods; the given view alone is shown to them.

    Args:
        limit: only the first so many people.
        out: JSON file, rewritten after each person; a cut run goes on where it was. Beside it a picture sheet is written.
        progress: called with method and name before each run.
    """
    unknown = [m for m in methods if m not in METHODS]
    if unknown:
        raise RequestError(f"There is no method '{unknown[0]}'.", f"Choose among: {', '.join(METHODS)}.")
    arrays = read_multiview(data)
    network = load_perceptual(generator.device).name
    result: dict[str, Any] = {
        "methods": {}, "lpips_network": network if network.startswith("lpips") else None, "optimised": network,
        "device": str(generator.device), "preset": preset, "run": _fingerprint(Path(data), generator, seed)}
    out = Path(out) if out else None
    known = _earlier(out, result) if out else {}
    sheet = Sheet(out.with_name(f"{out.stem}-views")) if out else None
    names = [str(n) for n in arrays["names"]][: limit or None]
    for method in methods:
        each: dict[str, Any] = {}
        for index, name in enumerate(names):
            if name in known.get(method, {}) and sheet and sheet.has(name, method):
                each[name] = known[method][name]
            else:
                if progress:
                    progress(method, name)
                portrait, each[name] = evaluate_one(arrays, index, method, preset, generator, seed)
                if sheet:
                    given = int(arrays["input_view"][index])
                    views = zip(*(arrays[field][index] for field in ("images", "cameras", "masks")), strict=True)
                    pictures = [to_uint8(make_target(*view, generator).image) for view in views]  # on the methods' background
                    sheet.truth(name, np.stack(pictures), arrays["cameras"][index], given)
                    sheet.method(name, method, portrait)
            result["methods"][method] = {"mean": _mean(list(each.values())), "each": each}
            if out and sheet:
                out.write_text(json.dumps(result, indent=1) + "\n")
                sheet.write(out.with_name(f"{out.stem}-sheet.jpg"), names, methods)
    return result


def _fingerprint(data: Path, generator: TriPlaneGenerator, seed: int) -> dict[str, Any]:
    """What figures have to have in common to stand in one table."""
    weights = hashlib.sha256()
    for name, value in generator.state_dict().items():
        weights.update(name.encode())
        weights.update(value.cpu().contiguous().numpy().tobytes())
    return {"data": hashlib.sha256(data.read_bytes()).hexdigest()[:16], "generator": weights.hexdigest()[:16], "seed": seed,
            "threads": torch.get_num_threads()}


def _earlier(out: Path, result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Results of each method and person that an earlier run with the same settings has left in ``out``."""
    try:
        earlier = json.loads(out.read_text())
        same = all(earlier[key] == result[key] for key in ("preset", "device", "optimised", "run"))
        return {method: found["each"] for method, found in earlier["methods"].items()} if same else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def evaluate_one(arrays: dict[str, np.ndarray], index: int, method: str, preset: str, generator: TriPlaneGenerator,
                 seed: int = 0) -> tuple[Portrait3D, dict[str, Any]]:
    """Invert one person's given view and score every view."""
    given = int(arrays["input_view"][index])
    config = settings(method, preset)
    target = make_target(arrays["images"][index, given], arrays["cameras"][index, given], arrays["masks"][index, given], generator)
    inversion = Inversion(target, generator, config, seed)
    begin = time.monotonic()
    renders = sum(_renders(event.losses) for event in inversion if event.losses)
    seconds = time.monotonic() - begin
    portrait = inversion.portrait()
    views = [_score_view(portrait, generator, arrays, index, view) for view in range(arrays["images"].shape[1])]
    novel = [v for i, v in enumerate(views) if i != given]
    return portrait, {"input": views[given]["view"], "novel": mean_metrics([v["view"] for v in novel]),
                      "hidden": mean_metrics([v["hidden"] for v in novel]), "seconds": round(seconds, 2), "renders": renders}


def _renders(losses: dict[str, float]) -> int:
    """Views that a step has rendered. The depth term has none of its own where views are kept: it looks at those."""
    return 1 + len(OTHER_VIEWS & losses.keys()) - ({"kept", "depth"} <= losses.keys())


def _score_view(portrait: Portrait3D, generator: TriPlaneGenerator, arrays: dict[str, np.ndarray], index: int,
                view: int) -> dict[str, dict[str, float | None]]:
    given = int(arrays["input_view"][index])
    truth = make_target(arrays["images"][index, view], arrays["cameras"][index, view], arrays["masks"][index, view], generator)
    out = portrait.render(truth.camera)
    size = out.image.shape[-2:]
    depth = depth_along_rays(arrays, index, view).to(generator.device)
    depths = F.interpolate(out.image_depth, depth.shape[-2:], mode="bilinear")
    both = torch.isfinite(depth) & (F.interpolate(out.image_opacity, depth.shape[-2:], mode="bilinear") > 0.5)
    error = round(float((depths - depth)[both].abs().mean()), 5) if both.any() else None
    source = make_target(arrays["images"][index, given], arrays["cameras"][index, given], arrays["masks"][index, given], generator)
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
    out: dict[str, Any] = {part: mean_metrics([e[part] for e in each]) for part in ("input", "novel", "hidden")}
    for part in ("seconds", "renders"):
        out[part] = round(sum(e[part] for e in each) / len(each), 2)
    return out
