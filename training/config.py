"""Settings of a training run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainConfig:
    """Settings of a training run."""

    people: int = 4
    """People a step."""
    views: int = 3
    """Views a person and step."""
    points: int = 1600
    """Surface points a view."""
    free_points: int = 4000
    """Points in the box a person."""
    free_search: int = 10
    """Half of those are the fullest of so many times as many that are known to be empty."""
    rays: int = 256
    """Rays a view."""
    learning_rate: float = 6e-3
    warp_share: float = 0.05
    """The warp's rate as a share of the others': a step of it moves whole features."""
    growth: tuple[int, int] = (1500, 3000)
    """Up to these steps, planes of a quarter, then of half the resolution."""
    patch_from_step: int = 3600
    """When patches join."""
    patches: int = 3
    """Patches a step, one a person."""
    patch_size: int = 48
    """Side of a patch in pixels."""
    decay_share: float = 0.75
    """Share of the time budget over which the learning rate falls to a twentieth."""
    ema: float = 0.998
    bfloat16: bool = False
    """The backbone's convolutions compute in bfloat16: two thirds of a step's time on a processor that has it."""
    samples: tuple[int, int, int] = (3, 6, 1)
    """Samples before, around and behind the surface."""
    around: float = 0.035
    """Half the thickness of "around", in world units."""
    shell: tuple[float, float] = (-0.003, 0.009)
    """Surface points lie between these depths behind the surface: all of it has its colour."""
    adversarial_from_step: int | None = None
    """When the critic of patches joins (``adversarial.py``); None: never."""
    fool_weight: float = 0.05
    matching_weight: float = 0.5
    depth_weight: float = 3.0
    solid_weight: float = 0.3
    free_weight: float = 1.0
    raw_density: tuple[float, float] = (-20.0, 500.0)
    """What the decoder's density, before it is made positive, is kept within: the emptiness beside a head stays in reach of stage 2."""
    bound_weight: float = 0.1
