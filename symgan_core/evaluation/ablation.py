"""What each part of the method is worth: the method without it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from ..inversion import Method, Pivot, Tuning, settings

SWITCHES = {
    "MirroredView": {"match_light": False}, "TunedPhoto": {"edge": 0}, "OptimizePlanes": {"gate": None},
}
"""Parts of parts, and what turns each off."""
KEPT = ("Photo", "TunedPhoto")
"""Without the photo a stage has nothing to learn."""


def ablation_variants(preset: str = "balanced", method: str = "spi") -> dict[str, Method]:
    """Methods for ``evaluate``: the method as it is, under its own name, and without each of its parts in turn
    (``without-pivot.mirrored_view``). Raises RequestError for unknown names."""
    whole = settings(method, preset)
    variants = {method: whole}
    if whole.detail:
        variants["without-detail"] = replace(whole, detail=False)
    for name, warp in _warps(whole):
        variants[f"without-{name}"] = replace(whole, warp=warp)
    for stage in ("pivot", "tuning"):
        if getattr(whole, stage) is not None:
            variants |= {f"without-{stage}.{name}": replace(whole, **{stage: part}) for name, part in _without(getattr(whole, stage))}
    return variants


def _warps(method: Method) -> Iterator[tuple[str, object]]:
    """Of the warps of the photo: grazing, mirror, and what makes mirrored pixels better."""
    warp = method.warp
    if method.tuning is None:
        return
    if warp.grazing:
        yield "warp.grazing", replace(warp, grazing=0.0)
    if warp.mirror is not None:
        yield "warp.mirror", replace(warp, mirror=None)
        if warp.mirror.conflict_threshold is not None:
            yield "warp.conflict_threshold", replace(warp, mirror=replace(warp.mirror, conflict_threshold=None))
        if warp.mirror.match_light:
            yield "warp.match_light", replace(warp, mirror=replace(warp.mirror, match_light=False))


def _without(stage: Pivot | Tuning) -> Iterator[tuple[str, Pivot | Tuning]]:
    """A stage without each of its masks, preparations, terms and sources of pseudo views, and with each of its switches off."""
    for group in ("masks", "prepare", "terms"):
        for n, part in enumerate(getattr(stage, group, ())):
            kind = type(part).__name__
            if kind not in KEPT:
                yield _words(kind), _with(stage, group, n)
            sources = getattr(part, "sources", ())
            for k, source in enumerate(sources):
                yield _words(type(source).__name__), _with(stage, group, n, replace(part, sources=sources[:k] + sources[k + 1:]))
            for field, off in SWITCHES.get(kind, {}).items():
                if getattr(part, field) != off:
                    yield f"{_words(kind)}.{field}", _with(stage, group, n, replace(part, **{field: off}))


def _with(stage: Pivot | Tuning, group: str, number: int, *parts: object) -> Pivot | Tuning:
    """A stage with ``parts`` in place of the one with this number in one of its groups."""
    old = getattr(stage, group)
    return replace(stage, **{group: (*old[:number], *parts, *old[number + 1:])})


def _words(name: str) -> str:
    """``MirroredView`` to ``mirrored_view``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
