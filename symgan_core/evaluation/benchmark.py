"""``evaluate``: run methods on people of whom one view is given and others are known, or on photos, for which there is no truth."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..cores import Cores
from ..errors import RequestError
from ..files import check_readable, write_text
from ..generator import TriPlaneGenerator
from ..geometry import Camera, DepthView, unproject, warp_to_view
from ..inversion import Inversion, Method, Portrait3D, Target, face_region, make_target, settings, to_uint8
from .likeness import score_real
from .metrics import folded, mean, mean_metrics, picture_metrics, shading_error, spread, to_side
from .people import LIST, Person, Sittings, is_people_set, read_people, start_person
from .photos import find_photos, score_photo, start_photo
from .sheet import Sheet

OTHER_VIEWS = {"mirror", "neighbour", "mirrored", "depth"}
"""Losses that take a render of their own."""
PARTS = ("input", "novel", "hidden", "turned", "sharpness", "real")
"""What a person's result may hold of measures, each a dict."""
FIELDS = ("images", "masks", "depths", "depth_offset", "cameras", "input_view", "names")


def read_multiview(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of a multi-view file (``shared/design.md``). Raises RequestError if it is not one."""
    check_readable(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in FIELDS}
    except (OSError, KeyError, ValueError) as error:
        raise RequestError(f"'{path}' is not a multi-view file.", f"It must be an .npz with {', '.join(FIELDS)}.") from error


def methods_at(preset: str, *names: str) -> dict[str, Method]:
    """The settings of some methods, as ``evaluate`` takes them. Raises RequestError if there is no such preset or method."""
    return {name: settings(name, preset) for name in names}


def evaluate(data: str | Path, methods: Mapping[str, Method], generator: TriPlaneGenerator, limit: int | None = None,
             out: str | Path | None = None, seeds: Sequence[int] = (0,),
             progress: Callable[[str, str, int, int], None] | None = None) -> dict[str, Any]:
    """Score methods; the given view alone is shown to them.

    Args:
        data: a multi-view file; a folder with a ``people.json``: real people with photos from other sides (``people.py``); or a picture,
            or a folder of pictures, which have no truth (``photos.py``).
        methods: a name for each of some settings: the method's (``methods_at``), or one of your own (``ablation_variants``).
        limit: only the first so many people.
        out: JSON file, rewritten after each person; a cut run goes on where it was. Beside it a picture sheet is written.
        seeds: with several, figures are their means, ``spread`` of a method is the standard deviation of its mean from seed to seed, and
            ``seeds`` holds the figures of each.
        progress: called before each run with method, name, how many runs are over, and how many there are.

    Raises:
        RequestError, PhotoError, CheckpointError.
    """
    for name in methods:
        if not re.fullmatch(r"\w[\w.+-]*", name):  # it becomes a file's name
            raise RequestError(f"'{name}' cannot name settings.", "Use letters, digits, and . + - _ after the first letter.")
    if not seeds or len(set(seeds)) != len(seeds):
        raise RequestError("Each seed can be used once, and one is needed.", "For example: --seeds 0 1 2")
    files, cases = _read(Path(data), generator, limit)
    presets = {config.preset for config in methods.values()}
    result: dict[str, Any] = {
        "methods": {}, "lpips_network": "alex", "device": str(generator.device),
        "preset": presets.pop() if len(presets) == 1 else "mixed", "seeds": list(seeds), "run": _fingerprint(files, generator)}
    out = Path(out) if out else None
    known = _earlier(out, result) if out else {}
    sheet = Sheet(out.with_name(f"{out.stem}-views")) if out else None
    done, total = 0, len(methods) * len(seeds) * len(cases)
    for method, config in methods.items():
        runs: dict[int, dict[str, Any]] = {}
        for seed, case in itertools.product(seeds, cases):
            drawn = seed == seeds[0]
            earlier = known.get((method, _digest(config), seed), {})
            each = runs.setdefault(seed, {})
            if case.name in earlier and sheet and (not drawn or sheet.has(case.name, method)):
                each[case.name] = earlier[case.name]
            else:
                if progress:
                    progress(method, case.name, done, total)
                inversion = case.start(config, seed)
                portrait, each[case.name] = _run(case, inversion)
                if sheet and drawn:
                    sheet.truth(case.name, *case.shown(inversion))
                    sheet.method(case.name, method, portrait)
            done += 1
            result["methods"][method] = _scores(runs) | {"perceptual": config.perceptual, "settings": _digest(config)}
            if out and sheet:
                write_text(out, json.dumps(result, indent=1) + "\n")
                sheet.write(out.with_name(f"{out.stem}-sheet.jpg"), [c.name for c in cases], list(methods))
    return result


def _read(data: Path, generator: TriPlaneGenerator, limit: int | None) -> tuple[list[Path], list[_Case]]:
    """The files that the figures depend on, and the people in them."""
    if data.suffix == ".npz":
        return [data], _people(read_multiview(data), generator)[: limit or None]
    if is_people_set(data):
        people = read_people(data)
        photos = sorted({path for person in people for path in (person.given, *person.truths)})
        return [data / LIST, *photos], _real_people(people[: limit or None], generator)
    files = find_photos(data)
    return files, _photos(files, generator)[: limit or None]


@dataclass(frozen=True)
class _Case:
    """Somebody to be inverted: how to start, how to score, and what a sheet shows as true (``Sheet.truth``)."""

    name: str
    start: Callable[[Method, int], Inversion]
    """With settings and a seed."""
    score: Callable[[Portrait3D, Inversion], dict[str, Any]]
    shown: Callable[[Inversion], tuple[np.ndarray, np.ndarray, int]]


def _run(case: _Case, inversion: Inversion) -> tuple[Portrait3D, dict[str, Any]]:
    begin = time.monotonic()
    cores, renders = Cores(), 0
    for event in inversion:
        renders += _renders(event.losses) if event.losses else 0
        cores.adapt()
    seconds = time.monotonic() - begin
    portrait = inversion.portrait()
    return portrait, case.score(portrait, inversion) | {"seconds": round(seconds, 2), "renders": renders}


def _people(arrays: dict[str, np.ndarray], generator: TriPlaneGenerator) -> list[_Case]:
    def case(index: int) -> _Case:
        given, targets = int(arrays["input_view"][index]), partial(_target, arrays, index, generator=generator)

        def shown(_: Inversion) -> tuple[np.ndarray, np.ndarray, int]:
            pictures = [to_uint8(targets(view).image) for view in range(arrays["images"].shape[1])]  # on the methods' background
            return np.stack(pictures), arrays["cameras"][index], given

        def start(config: Method, seed: int) -> Inversion:
            return Inversion(targets(given, detailed=True), generator, config, seed)

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


def _real_people(people: list[Person], generator: TriPlaneGenerator) -> list[_Case]:
    sittings = Sittings(generator)

    def case(person: Person) -> _Case:
        given, truths = sittings.read(person.given), [sittings.read(path) for path in person.truths]

        def shown(_: Inversion) -> tuple[np.ndarray, np.ndarray, int]:
            cameras = torch.cat([sitting.crop.camera.vector() for sitting in (given, *truths)])
            return np.stack([sitting.image for sitting in (given, *truths)]), cameras.numpy(), 0

        return _Case(person.name, partial(start_person, given, generator), lambda portrait, _: score_real(portrait, given, truths), shown)

    return [case(person) for person in people]  # all photos are read now: who waits for hours is not told at their end that one is no photo


def _scores(runs: dict[int, dict[str, Any]]) -> dict[str, Any]:
    """``runs``: what each person got with each seed."""
    if len(runs) == 1:
        (each,) = runs.values()
        return {"mean": _mean(list(each.values())), "each": each}
    means = [_mean(list(each.values())) for each in runs.values()]
    names = list(next(iter(runs.values())))
    return {"mean": folded(means, mean), "spread": folded(means, spread),
            "each": {name: folded([each[name] for each in runs.values() if name in each], mean) for name in names},
            "seeds": {str(seed): {"mean": one, "each": each} for (seed, each), one in zip(runs.items(), means, strict=True)}}


def _digest(config: Method) -> str:
    return hashlib.sha256(repr(config).encode()).hexdigest()[:16]


def _fingerprint(files: list[Path], generator: TriPlaneGenerator) -> dict[str, Any]:
    """What figures have to have in common to stand in one table."""
    weights, data = hashlib.sha256(), hashlib.sha256()
    for name, value in generator.state_dict().items():
        weights.update(name.encode())
        weights.update(value.cpu().contiguous().numpy().tobytes())
    for file in files:
        data.update(file.read_bytes())
    return {"data": data.hexdigest()[:16], "generator": weights.hexdigest()[:16]}


def _earlier(out: Path, result: dict[str, Any]) -> dict[tuple[str, str, int], dict[str, Any]]:
    """What each person got in an earlier run on the same data that is left in ``out``, by method, its settings' digest, and seed."""
    try:
        earlier, known = json.loads(out.read_text()), {}
        if all(earlier[key] == result[key] for key in ("device", "run")):
            for method, found in earlier["methods"].items():
                seeds = found.get("seeds") or {earlier["seeds"][0]: found}
                known |= {(method, found["settings"], int(seed)): one["each"] for seed, one in seeds.items()}
        return known
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return {}


def _target(arrays: dict[str, np.ndarray], index: int, view: int, generator: TriPlaneGenerator, detailed: bool = False) -> Target:
    return make_target(*(arrays[field][index, view] for field in ("images", "cameras", "masks")), generator, detailed=detailed)


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
    out, side = portrait.render(truth.camera), truth.image.shape[-1]
    image = to_side(out.image, side)
    depth = depth_along_rays(arrays, index, view).to(generator.device)
    depths = F.interpolate(out.image_depth, depth.shape[-2:], mode="bilinear")
    both = torch.isfinite(depth) & (F.interpolate(out.image_opacity, depth.shape[-2:], mode="bilinear") > 0.5)
    error = round(float((depths - depth)[both].abs().mean()), 5) if both.any() else None
    source = _target(arrays, index, given, generator)
    source_depth = depth_along_rays(arrays, index, given).nan_to_num(9.0).to(generator.device)
    filled = depth.nan_to_num(9.0)
    warp = warp_to_view(source.image, DepthView(source.camera, source_depth), DepthView(truth.camera, filled), source.mask, 0.02)
    head = truth.mask if truth.mask is not None else torch.ones(1, 1, side, side)
    hidden = ((1 - warp.visible) * (head > 0.5)).float()
    face = hidden * F.interpolate(face_region(unproject(filled, truth.camera))[:, None].float(), (side, side))
    shading = shading_error(image, truth.image, face)
    return {"view": picture_metrics(image, truth.image) | {"depth_l1": error},
            "hidden": picture_metrics(image, truth.image, hidden) | {"depth_l1": error, "shading": shading}}


def depth_along_rays(arrays: dict[str, np.ndarray], index: int, view: int) -> Tensor:
    """``[1, 1, h, w]``: the file's z-depth as distance along the ray."""
    z = torch.from_numpy(arrays["depths"][index, view].astype(np.float32)) + float(arrays["depth_offset"])
    k = Camera.from_vector(torch.from_numpy(arrays["cameras"][index, view])).intrinsics[0]
    line = (torch.arange(z.shape[0]) + 0.5) / z.shape[0]
    y, x = torch.meshgrid((line - k[1, 2]) / k[1, 1], (line - k[0, 2]) / k[0, 0], indexing="ij")
    return (z * (1 + x.square() + y.square()).sqrt())[None, None]


def _mean(each: list[dict[str, Any]]) -> dict[str, Any]:
    parts = [part for part in PARTS if part in each[0]]
    out: dict[str, Any] = {part: mean_metrics([e[part] for e in each]) for part in parts}
    for part in ("seconds", "renders"):
        out[part] = round(sum(e[part] for e in each) / len(each), 2)
    return out
