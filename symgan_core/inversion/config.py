"""Methods and presets. A method is a set of settings of one engine; a preset says how long it may work."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import RequestError
from ..generator import TriPlaneGenerator
from .look import draft_stride


@dataclass(frozen=True)
class PivotConfig:
    """Stage 1: a code whose face is the photo's."""

    steps: int = 120
    space: str = "w_plus"
    """ "w" (one code for all layers) or "w_plus"."""
    learning_rate: float = 0.06
    """Adam, in standard deviations of w; warm-up over the first 5 %, cosine fall over the last 25 % (SPI)."""
    noise: float = 0.05
    """Noise on w, in standard deviations, times max(0, 1 - t/0.75)² (SPI)."""
    mirror: bool = True
    """The mirrored photo at the mirrored camera as a second view, weighted by yaw (SPI eq. for m)."""
    match_light: bool = True
    """The mirrored photo is compared with the head under mirrored lamps, where the generator's w knows lamps; elsewhere it is shown in the
    light of its side, from half-way on (``light.py``)."""
    mirror_every: int = 3
    """The mirrored view is compared in every so many steps, times so much."""
    coarse_share: float = 0.5
    """Over this first share of the steps, half the resolution of planes and rendering does: the code has no detail yet."""
    optimize_camera: bool = False
    """Yaw, pitch, crop offset and zoom move with the code, within limits (arXiv 2210.07301)."""
    camera_rate: float = 0.03
    """Adam rate of the camera, in shares of its limits."""
    points_first: bool = True
    """Before the first step, camera (if it may move), shape and expression are such that the points of the face lie as they do in the
    photo (``placing.py``)."""
    from_guess: bool = False
    """Begin at the encoder's guess, where the generator has an encoder; else at the mean."""
    keep_haircut: bool = False
    """The style of the hair stays as it is guessed, where w knows it: else tails grow behind necks, where no photo shows that none is."""
    void_weight: float = 0.0
    """Of the mean opacity of what appears behind the head, where the guess has nothing, while its haircut is kept (``void.py``; 0: nobody
    asks)."""
    points_weight: float = 20.0
    """Of the mean distance of the face's points from where the photo has them, in picture widths (``placing.py``): pixels draw a mouth over
    its own height only, and pull smiles shut."""
    prior_weight: float = 0.012
    """Weight of the code's squared distance from the mean, in standard deviations."""


@dataclass(frozen=True)
class TuningConfig:
    """Stage 2: the generator itself learns the photo."""

    steps: int = 120
    """0 leaves the stage out."""
    learning_rate: float = 5e-3
    """Adam, of the generator's weights (SPI: 3e-4 over 1,000 steps)."""
    parts: tuple[str, ...] = ("superresolution",)
    """The generator's parts whose weights are tuned: "backbone", "decoder", "superresolution". Without the backbone no step has to pass
    through it. A tuned decoder tints what no view shows."""
    offset_rate: float = 0.005
    """Adam, of an offset on the planes themselves, in standard deviations of the planes: it takes up detail that the weights
    would need many steps for. 0: none."""
    offset_levels: tuple[int, ...] = (1, 2, 4)
    """The offset is a sum of such parts of the planes' resolution, the finest (1: all of it) first. With coarser ones beside it, colour and
    shape of whole regions come in a few steps, and single texels need not do it."""
    offset_floor: float = 1e-6
    """Gradients of the offset far below this move it less than in proportion (Adam's epsilon)."""
    smooth_weight: float = 0.5
    """Total variation of that offset's finest part, in standard deviations: what no view shows stays smooth."""
    pixel_weight: float = 3.0
    """PTI and SPI: 1."""
    perceptual_weight: float = 1.0
    opacity_weight: float = 8.0
    """Of the mean squared difference of opacity and mask."""
    rim: int = 1
    """Colours are not learned within so many pixels of a look from the mask's edge: the outline is the opacity's (0: they are)."""
    gated: bool = True
    """The offset counts near the surfaces that the photo or its mirror shows alone (``gate.py``): what is learned of the face does not show
    on the back of the head."""
    clip_torso: bool = True
    """Learn nothing of clothes and shoulders beyond the generator's own, nor of what stands far from its head (``Target.as_a_bust``)."""
    painted: bool = True
    """Begin with an offset that gives the head the photo's colours in one pass (``painting.py``; needs ``offset_rate``)."""
    palette: bool = True
    """Begin with the photo's colours on all of the head, hidden parts too (``palette.py``)."""
    stop_at_lpips: float | None = None
    """End the stage when the whole of the photo's view is this near (PTI and SPI: 0.05); for methods whose perceptual loss is LPIPS."""
    neighbours: bool = True
    """Pseudo labels: the photo warped to cameras nearby."""
    fill_hidden: bool = False
    """What the photo hides there, the untouched generator fills in (HFGI3D, arXiv 2211.15662)."""
    mirrored: bool = True
    """Pseudo labels: the mirrored photo warped to cameras near the mirrored one (only where the mirror weight is above 0)."""
    conflict_filter: bool = True
    """Leave out mirrored pixels where photo and mirror disagree."""
    match_light: bool = True
    """Give mirrored pixels the light of the side that they are put on (``light.py``; SPI does not)."""
    depth: bool = True
    """Keep the depth at other cameras near the untouched generator's."""
    extra_every: int = 3
    """The terms of other views are computed in every so many steps, times so much (SPI's code: 4)."""
    refresh_every: int = 15
    """Depth, warps and masks of the pseudo labels are made anew after so many steps."""
    grazing: float = 0.4
    """What the photo shows at less than this cosine to the surface is not warped to neighbours, nor laid on the planes in one pass: on a
    head that is a little too wide, hair beside the cheek would be painted far along it."""
    neighbour_weight: float = 0.4
    mirror_weight: float = 0.3
    mirror_pixels: bool = True
    """Mirrored labels are compared as pictures too; SPI compares contextually alone."""
    contextual_weight: float = 0.0
    """Of the mirrored labels' weight, on eyes, nose and mouth: sets of VGG features are compared (SPI)."""
    depth_weight: float = 60.0
    neighbour_yaw: float = 22.0
    """Largest yaw between the photo and a neighbour, degrees."""
    neighbour_pitch: float = 6.0
    visibility_tolerance: float = 0.03
    """World units (SPI's code: 0.05 on a box of 1)."""
    conflict_threshold: float = 0.22
    """Mean colour difference, in [-1, 1] units after matching the local mean, above which a mirrored pixel is a conflict."""


@dataclass(frozen=True)
class InversionConfig:
    """A method at a preset."""

    method: str = "spi"
    preset: str = "balanced"
    pivot: PivotConfig = PivotConfig()
    tuning: TuningConfig = TuningConfig()
    perceptual: str = "gradient"
    """The perceptual loss of both stages (``losses.PERCEPTUAL``)."""
    draft: bool = True
    """While optimising, looks of the generator's draft resolution with its draft samples do (``look.py``)."""
    preview_every: int = 5
    """Steps between pictures in the event stream."""
    detail: bool = False
    """Views show the photo's own detail (``portrait/detail.py``)."""
    fixed_steps: bool = False
    """The method has its own numbers of steps, whatever the preset."""

    def samples(self, generator: TriPlaneGenerator) -> tuple[int, int] | None:
        """What ``TriPlaneGenerator.render`` is told while optimising."""
        return generator.config.draft_samples if self.draft else None

    def stride(self, generator: TriPlaneGenerator) -> int:
        """What ``look`` is told while optimising."""
        return draft_stride(generator) if self.draft else 1


_NO_LABELS = {"neighbours": False, "mirrored": False, "conflict_filter": False, "match_light": False, "depth": False,
              "grazing": 0.0}
_ALL = ("backbone", "decoder", "superresolution")
_PLAIN = PivotConfig(mirror=False, points_weight=0.0, points_first=False)
_PTI = InversionConfig("pti", perceptual="lpips-alex", pivot=replace(_PLAIN, space="w"), tuning=TuningConfig(
    parts=_ALL, offset_rate=0.0, clip_torso=False, painted=False, palette=False, pixel_weight=1.0, opacity_weight=1.0, rim=0,
    stop_at_lpips=0.05, **_NO_LABELS))
METHODS: dict[str, InversionConfig] = {
    "spi": InversionConfig("spi", detail=True, pivot=PivotConfig(from_guess=True, keep_haircut=True, void_weight=20.0)),
    "pti": _PTI,
    "w_plus": InversionConfig("w_plus", perceptual="lpips-alex", pivot=_PLAIN, tuning=TuningConfig(steps=0)),
    "w": InversionConfig("w", perceptual="lpips-alex", pivot=replace(_PLAIN, space="w"), tuning=TuningConfig(steps=0)),
    "pose_opt": replace(_PTI, method="pose_opt", pivot=replace(_PTI.pivot, optimize_camera=True)),
    "hfgi3d": InversionConfig("hfgi3d", perceptual="lpips-alex", pivot=_PLAIN, tuning=replace(
        _PTI.tuning, neighbours=True, fill_hidden=True, neighbour_yaw=60.0, neighbour_weight=1.0)),
    "spi_paper": InversionConfig(
        "spi_paper", perceptual="lpips-vgg", fixed_steps=True, draft=False,
        pivot=PivotConfig(steps=500, learning_rate=0.02, mirror_every=1, coarse_share=0.0, prior_weight=0.0, match_light=False,
                          points_weight=0.0, points_first=False),
        tuning=TuningConfig(
            steps=1000, learning_rate=3e-4, parts=_ALL, offset_rate=0.0, clip_torso=False, painted=False, palette=False, pixel_weight=1.0,
            opacity_weight=1.0, rim=0, stop_at_lpips=0.05, grazing=0.0,
            conflict_filter=False, match_light=False, mirror_pixels=False, contextual_weight=1.0, extra_every=4, refresh_every=4,
            neighbour_weight=0.1, mirror_weight=0.05, depth_weight=1.0,
            neighbour_yaw=11.5, neighbour_pitch=5.7, visibility_tolerance=0.05)),
}
"""``pose_opt``: PTI that moves the camera too (Ko et al., arXiv 2210.07301). ``hfgi3d``: pseudo views around the head, warped where the
photo sees and filled where it does not (Xie et al., arXiv 2211.15662). ``spi_paper``: SPI with the steps and weights of its public code."""

PRESETS: dict[str, tuple[int, int]] = {"fast": (36, 25), "balanced": (70, 50), "best": (200, 150)}
"""Steps of stage 1 and of stage 2."""


def settings(method: str = "spi", preset: str = "balanced", optimize_camera: bool = False) -> InversionConfig:
    """The settings of a method at a preset. Raises RequestError for unknown names."""
    if method not in METHODS:
        raise RequestError(f"There is no method '{method}'.", f"Choose one of: {', '.join(METHODS)}.")
    if preset not in PRESETS:
        raise RequestError(f"There is no preset '{preset}'.", f"Choose one of: {', '.join(PRESETS)}.")
    base, (first, second) = METHODS[method], PRESETS[preset]
    pivot = replace(base.pivot, optimize_camera=optimize_camera or base.pivot.optimize_camera)
    if base.fixed_steps:
        return replace(base, preset=preset, pivot=pivot)
    tuning = replace(base.tuning, steps=second if base.tuning.steps else 0)
    return replace(base, preset=preset, pivot=replace(pivot, steps=first), tuning=tuning)
