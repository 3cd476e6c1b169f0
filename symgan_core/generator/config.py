"""Settings of the generator. ``FFHQ512`` is the official checkpoint's, ``BUILTIN`` is ours; the same code runs both."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

Axes = tuple[tuple[tuple[float, ...], ...], ...]

_LARGEST = 2**20
"""Of any number of a configuration."""
_MOST_LAYERS = 64
"""Of the mapping."""

EG3D_AXES: Axes = (((1, 0, 0), (0, 1, 0), (0, 0, 1)), ((1, 0, 0), (0, 0, 1), (0, 1, 0)), ((0, 0, 1), (1, 0, 0), (0, 1, 0)))
"""Axes of the released checkpoints: planes (x, y), (x, z), (z, x). The third repeats the second (NVlabs/eg3d issue 67)."""

CORRECTED_AXES: Axes = (*EG3D_AXES[:2], ((0, 0, 1), (0, 1, 0), (1, 0, 0)))
"""Planes (x, y), (x, z), (z, y)."""


@dataclass(frozen=True)
class SuperResolutionConfig:
    """The two blocks that turn the rendered features into the image (eg3d.md section 6)."""

    input_resolution: int = 128
    """The feature image is resized to this before the first block."""
    channels: tuple[int, int] = (256, 128)
    """Output channels of block0 and block1."""
    upsample: tuple[bool, bool] = (True, True)
    """Whether each block doubles the resolution."""
    resize: str = "differs"
    """When to resize the input: "differs" from input_resolution, or only if "smaller"."""
    clamp: float | None = 256.0
    """Limit of the activations (the official networks were trained with it in half precision)."""
    antialias: bool = True
    """Low-pass filter when the input is resized down."""
    own_filter: bool = False
    """The official 8X, 4X and 2X modules carry one more ``resample_filter`` buffer; 8XDC does not."""


@dataclass(frozen=True)
class GeneratorConfig:
    """Everything that defines a tri-plane generator's architecture and rendering (eg3d.md section 1)."""

    name: str = "ffhq512"
    z_dim: int = 512
    w_dim: int = 512
    c_dim: int = 25
    image_resolution: int = 512
    plane_resolution: int = 256
    plane_channels: int = 32
    """Channels of one plane; the backbone gives three times as many."""
    channel_base: int = 32768
    channel_max: int = 512
    mapping_layers: int = 2
    mapping_features: int = 512
    """Width of the label embedding and of the hidden mapping layers."""
    mapping_lr_multiplier: float = 0.01
    conv_clamp: float | None = None
    plane_warp: tuple[int, int] | None = None
    """Cells a side and hidden features of the field that moves the planes' contents to where w has them (``warp.py``); EG3D has none."""
    canvas: bool = False
    """Each block of the backbone but the first adds a learned picture of its features, so that fine detail which every head has in the same
    place (see ``plane_warp``) need not be spun from a 4x4 constant; EG3D has none."""
    decoder_hidden: int = 64
    decoder_lr_multiplier: float = 1.0
    superresolution: SuperResolutionConfig | None = SuperResolutionConfig()
    """None: each pixel of the image has its own ray, and the rendered colours are the image."""
    neural_rendering_resolution: int = 128
    ray_start: float = 2.25
    ray_end: float = 3.3
    depth_resolution: int = 48
    depth_resolution_importance: int = 48
    density_grid: int | None = None
    """None: coarse and importance samples on each ray, as EG3D has it. Else the density is asked once at so many points a side of the box;
    the coarse pass reads that grid, on every other ray, and rays past everything are left out."""
    draft_samples: tuple[int, int] = (24, 12)
    """Both while an inversion optimises."""
    box_warp: float = 1.0
    """Side of the cube that the planes cover, in world units."""
    white_back: bool = False
    plane_axes: Axes = EG3D_AXES
    c_scale: float = 1.0
    c_gen_conditioning_zero: bool = False
    """The mapping sees zeros instead of the camera."""
    orbit_radius: float = 2.7
    orbit_pivot: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Centre of the sphere on which the cameras of videos and sliders stand."""

    @property
    def num_ws(self) -> int:
        """Rows of ``ws`` that the backbone uses: two a block."""
        return 2 * len(self.block_resolutions)

    @property
    def feature_channels(self) -> int:
        """What the decoder gives beside the density: features for the super-resolution, the colours first, or the three colours alone."""
        return 3 if self.superresolution is None else self.plane_channels

    @property
    def draft_resolution(self) -> int:
        """Rendering resolution where no fine detail is looked for: EG3D's 128, or less."""
        return min(128, self.neural_rendering_resolution)

    @property
    def block_resolutions(self) -> tuple[int, ...]:
        """4, 8, ... plane_resolution."""
        return tuple(2**k for k in range(2, self.plane_resolution.bit_length()))

    def channels(self, resolution: int) -> int:
        """Feature channels of the backbone block of this resolution."""
        return min(self.channel_base // resolution, self.channel_max)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, fit for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> GeneratorConfig:
        """Inverse of ``to_dict``; unknown keys and values of other types raise TypeError, those out of all reason ValueError."""
        data = {key: _tuples(value) for key, value in data.items()}
        sr = data.pop("superresolution", {})
        if sr is not None:
            sr = SuperResolutionConfig(**{k: _tuples(v) for k, v in dict(sr).items()})
            _check_values(sr)
        config = cls(superresolution=sr, **data)
        _check_values(config)
        if config.mapping_layers > _MOST_LAYERS:
            raise ValueError("mapping_layers is out of range")
        return config


def _check_values(config: Any) -> None:
    """Raise TypeError or ValueError for values that no file of ours has: from others, a number may be the size of a tensor."""
    for field in dataclasses.fields(config):
        _check_like(field.name, getattr(config, field.name), field.default)


def _check_like(name: str, value: Any, usual: Any) -> None:
    """``usual``: a value as it may be, None where that says nothing of the type."""
    if value is None or dataclasses.is_dataclass(value):
        return
    if isinstance(value, tuple):
        if len(value) > 16:
            raise ValueError(f"{name} is too long")
        for one in value:
            _check_like(name, one, None)
    elif isinstance(value, bool | str):
        if usual is not None and type(usual) is not type(value):
            raise TypeError(f"{name} is of another type")
    elif isinstance(value, int | float):
        if isinstance(usual, bool | str | tuple) or (isinstance(usual, int) and (not isinstance(value, int) or value < 0)):
            raise TypeError(f"{name} is of another type")
        if not abs(value) <= _LARGEST:
            raise ValueError(f"{name} is out of range")
    else:
        raise TypeError(f"{name} is of another type")


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list | tuple) else value


FFHQ512 = GeneratorConfig()

BUILTIN = GeneratorConfig(
    name="builtin",
    z_dim=256,
    w_dim=267,  # the traits of training/heads/traits.py
    image_resolution=256,
    plane_resolution=256,
    plane_channels=16,
    channel_base=8192,
    channel_max=192,
    mapping_layers=4,
    mapping_features=768,
    mapping_lr_multiplier=1.0,
    plane_warp=(24, 192),
    canvas=True,
    superresolution=None,
    neural_rendering_resolution=256,
    ray_start=2.28,
    ray_end=3.12,
    depth_resolution=96,
    depth_resolution_importance=10,
    density_grid=64,
    draft_samples=(96, 8),
    box_warp=0.76,
    white_back=True,
    plane_axes=CORRECTED_AXES,
    c_gen_conditioning_zero=True,
)
