"""What each part of the method is worth: the method without it."""

from __future__ import annotations

from dataclasses import replace

from ..inversion import InversionConfig, settings

PIVOT = {"points_weight": 0.0, "points_first": False, "mirror": False, "match_light": False, "keep_haircut": False, "void_weight": 0.0,
         "prior_weight": 0.0}
TUNING = {"gated": False, "clip_torso": False, "painted": False, "palette": False, "neighbours": False, "mirrored": False,
          "conflict_filter": False, "match_light": False, "depth": False, "grazing": 0.0, "smooth_weight": 0.0, "rim": 0}
"""The switches of stage 1 and of stage 2, and what turns each off."""


def ablation_variants(preset: str = "balanced", method: str = "spi") -> dict[str, InversionConfig]:
    """Settings for ``evaluate``: the method as it is, under its own name, and without each of its parts in turn (``without-pivot.mirror``).
    Parts that it does not have are left out. Raises RequestError for unknown names."""
    base = settings(method, preset)
    variants = {method: base}
    if base.detail:
        variants["without-detail"] = replace(base, detail=False)
    for stage, switches in (("pivot", PIVOT), ("tuning", TUNING)):
        part = getattr(base, stage)
        if not part.steps:
            continue
        for name, off in switches.items():
            if getattr(part, name) != off:
                variants[f"without-{stage}.{name}"] = replace(base, **{stage: replace(part, **{name: off})})
    return variants
