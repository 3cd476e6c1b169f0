"""The door: from a photo or a crop to a ``Portrait3D``, step by step or in one call."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import RequestError
from ..faces import (
    Face,
    FaceCrop,
    FaceProvider,
    Pyramid,
    align_frame,
    as_tensor,
    choose_face,
    fine_side,
    frame_for,
    head_mask,
    head_share,
    inside_photo,
    load_provider,
    look_closer,
    nudged,
    person_share,
    read_photo,
    to_crop,
)
from ..generator import TriPlaneGenerator
from ..geometry import Camera
from ..losses import load_perceptual
from ..portrait import Portrait3D
from ..portrait.storage import stored_pictures
from .config import InversionConfig, TuningConfig, settings
from .events import Event
from .guess import guess_code
from .labels import origins
from .light import Light, rendered_light
from .parts import SKIN, parts_shown
from .pictures import detail_pictures
from .pivot import State, find_pivot, latent_statistics, place_head
from .placing import FacePoints
from .target import Target, completed, make_target, takes_colours, to_uint8
from .tuning import prepare, tune_generator

MAX_PHOTO_YAW = 75.0
FIRST_YAWS = (-35.0, 0.0, 35.0)
TURNING_YAWS = (12.0, 24.0, 12.0, 0.0, -12.0, -24.0, -12.0, 0.0)
ORIGIN_YAWS = (-60.0, -30.0, 0.0, 30.0, 60.0)


class Inversion:
    """A running inversion: iterate it for events, stop whenever you like, then take ``portrait()``.

    Args:
        target: the photo's side (``make_target``).
        config: method and preset (``settings``).
        seed: the same seed on the same machine gives the same latent.
    """

    def __init__(self, target: Target, generator: TriPlaneGenerator, config: InversionConfig, seed: int = 0,
                 source: str = "builtin"):
        self.target, self.config, self.seed = target, config, seed
        guess = guess_code(target, generator) if config.pivot.from_guess else None
        self._guessed = guess is not None
        start = latent_statistics(generator, target.camera)[0] if guess is None else guess
        self._state = State(generator, start.expand(1, generator.config.num_ws, -1).clone(), target.camera)
        self._perceptual = load_perceptual(config.perceptual, generator.device)
        self._points: FacePoints | None = None
        self._liked: State | None = None
        self._shown: tuple[State, Tensor] | None = None
        self._report: dict[str, Any] = {
            "method": config.method, "preset": config.preset, "generator": source, "device": str(generator.device),
            "seed": seed, "perceptual": self._perceptual.name, "seconds": {}, "steps": {}, "losses": {}}

    def __iter__(self) -> Iterator[Event]:
        rng = torch.Generator().manual_seed(self.seed)
        if self._guessed:
            yield from self._timed("guess", self._first_looks())
        else:
            self._place()
        pivot = self._timed("pivot", find_pivot(self._state, self.target, self.config, self._perceptual, rng, self._points))
        # Who has seen the photo's face in 3D would take the code alone for a step back: that head turns meanwhile.
        yield from self._turning(pivot) if self._guessed and self._paints else pivot
        self._shown = None
        if self.config.tuning.steps:
            if self.config.tuning.clip_torso:
                self.target = self._bust()
            notes: dict[str, Any] = {}
            try:
                yield from self._timed("tuning", tune_generator(self._state, self.target, self.config, self._perceptual, rng, notes))
            finally:
                self._report |= notes

    def _place(self) -> None:
        self._points = place_head(self._state, self.target, self.config.pivot)

    def _first_looks(self) -> Iterator[Event]:
        """The head as it is guessed, for somebody waits for it, and then with the photo's face."""
        generator, state = self._state.generator, self._state
        yield Event("guess", 1, 2, {}, self._three_sides(state, generator.planes(state.ws)))
        self._place()
        if self._paints:
            liked, planes = self._likeness(self.config.tuning, self.target)
        else:
            liked, planes = state, generator.planes(state.ws)
        self._shown = liked, planes
        yield Event("guess", 2, 2, {}, self._three_sides(liked, planes))

    def _turning(self, events: Iterator[Event]) -> Iterator[Event]:
        """``events`` with the head that was shown last, seen from one side after the other, in place of their previews."""
        yaws = itertools.cycle(TURNING_YAWS)
        for event in events:
            preview = None if event.preview is None else self._seen_from((next(yaws),), *self._shown)
            yield replace(event, preview=preview)

    @property
    def _paints(self) -> bool:
        """Whether the method would give the head the photo's face in one pass."""
        return self.config.tuning.steps > 0 and self.config.tuning.painted and takes_colours(self._state.generator, self.target)

    def _likeness(self, tuning: TuningConfig, target: Target) -> tuple[State, Tensor]:
        """The placed head with the photo's face, and its planes without the offset."""
        liked = replace(self._state)
        return liked, prepare(liked, target.with_camera(liked.camera), tuning).planes

    @torch.no_grad()
    def _three_sides(self, state: State, planes: Tensor) -> np.ndarray:
        """uint8 ``[H, 3 W, 3]``: small ones, beside each other. ``planes``: without the offset."""
        return self._seen_from(FIRST_YAWS, state, planes)

    @torch.no_grad()
    def _seen_from(self, yaws: Sequence[float], state: State, planes: Tensor) -> np.ndarray:
        """uint8 ``[H, N W, 3]``: small views from N yaws, degrees, beside each other."""
        generator, ws, config = state.generator, state.ws, state.generator.config
        resolution = config.neural_rendering_resolution * 3 // 4
        planes = planes if state.offset is None else state.offset.added_to(planes)
        grid = generator.density_grid(planes, 2)
        cameras = [Camera.orbit(yaw, 0, config.orbit_radius, config.orbit_pivot).vector().to(ws) for yaw in yaws]
        views = [generator.view(planes, ws, camera, resolution, grid=grid).image for camera in cameras]
        return to_uint8(torch.cat(views, 3))

    @torch.no_grad()
    def _bust(self) -> Target:
        if not self.target.dressed:
            return self.target
        parts = parts_shown(self._state.generator, self._state.ws, self._state.camera)
        return self.target.without_strays(parts).as_a_bust(parts)

    def _timed(self, stage: str, events: Iterator[Event]) -> Iterator[Event]:
        begin = time.monotonic()
        for event in events:
            # Written at every step: a stopped inversion has a whole report too.
            self._report["seconds"][stage] = round(time.monotonic() - begin, 2)
            self._report["steps"][stage] = event.step
            self._report["losses"][stage] = {k: round(v, 5) for k, v in event.losses.items()}
            yield event

    def finish(self) -> Portrait3D:
        """Run to the end, and the portrait of it."""
        for _ in self:
            pass
        return self.portrait()

    def portrait(self) -> Portrait3D:
        """The best so far, at any time; a stopped run keeps all that it has learned."""
        state, portrait = self._state, self._unmeasured()
        portrait.report["camera"] = [round(float(v), 6) for v in state.camera[0]]
        yaw, pitch = Camera.from_vector(state.camera).yaw_pitch()
        start_yaw, start_pitch = Camera.from_vector(self.target.camera).yaw_pitch()
        portrait.report["view"] = {"yaw": round(yaw, 2), "pitch": round(pitch, 2)}
        portrait.report["camera_moved"] = {"yaw": round(yaw - start_yaw, 2), "pitch": round(pitch - start_pitch, 2)}
        portrait.report["metrics"] = self._metrics(portrait)
        return portrait

    def _unmeasured(self, detailed: bool = True) -> Portrait3D:
        state = self._state
        if state.offset is None and state.move is not None and self._paints:
            if self._liked is None or self._liked.ws is not state.ws:
                self._liked, _ = self._likeness(self.config.tuning, self._bust())
            state = self._liked
        generator = state.generator.eval().requires_grad_(False)
        offset, gate = (None, None) if state.offset is None else (state.offset.total(), state.offset.gate)
        portrait = Portrait3D(generator, state.ws.detach(), state.camera.detach(), self._report, offset, self.target.backdrop, gate)
        if self.config.detail and detailed:
            target = self.target.with_camera(portrait.camera)
            pictures = detail_pictures(generator, portrait.planes(), portrait.ws, target, self.config.tuning, self._light(portrait))
            portrait.pictures = stored_pictures(pictures)
        return portrait

    def _light(self, portrait: Portrait3D) -> Light | None:
        """What falls on the head, where the method matches it and the generator knows it."""
        tuning, generator = self.config.tuning, portrait.generator
        if not (tuning.mirrored and tuning.match_light and self.target.with_camera(portrait.camera).mirror_weight > 0):
            return None
        pivot = generator.planes(portrait.ws)
        return rendered_light(generator, pivot, generator.density_grid(pivot))

    def origins(self, yaws: Sequence[float] = ORIGIN_YAWS) -> tuple[Tensor, dict[str, float]]:
        """Where the pixels of the turned head come from.

        Returns:
            ``[len(yaws), 1, H, W]`` uint8: 1 seen in the photo, 2 taken from the mirrored photo, 3 invented by the generator, 0 no head;
            and the shares of the three over all views, which the report keeps.
        """
        portrait = self._unmeasured(detailed=False)
        target = self.target.with_camera(portrait.camera)
        tuning, generator = self.config.tuning, portrait.generator
        mirror = tuning.mirrored and tuning.steps > 0
        cameras = torch.cat([portrait.orbit_camera(yaw) for yaw in yaws])
        light = self._light(portrait) if mirror else None
        maps = origins(generator, portrait.planes(), target, cameras, tuning, mirror, light)
        counts = torch.bincount(maps.flatten().long(), minlength=4)[1:].double()
        shares = (counts / counts.sum().clamp(min=1)).tolist()
        self._report["origins"] = {name: round(x, 4) for name, x in zip(("seen", "mirrored", "invented"), shares, strict=True)}
        return maps, self._report["origins"]

    @torch.no_grad()
    def _metrics(self, portrait: Portrait3D) -> dict[str, float]:
        """Of the photo's view against the photo: ``psnr`` over all of it, the other two of the head that the photo shows, on white."""
        image = portrait.render(portrait.camera).image.clamp(-1, 1)
        *colours, alpha = torch.from_numpy(self.target.input_picture(image.shape[-1])).to(image).permute(2, 0, 1)[None].div(255).split(1, 1)
        truth, head = (x * alpha + 1 - alpha for x in (torch.cat(colours, 1) * 2 - 1, image))
        lpips = load_perceptual("lpips-alex", image.device)
        found = {"psnr": self._psnr(image), "lpips": round(float(lpips(head, truth)), 5),
                 "perceptual": round(float(self._perceptual(head, truth)), 5)}
        if portrait.pictures:
            found["psnr_without_detail"] = self._psnr(portrait.render(portrait.camera, detail=False).image.clamp(-1, 1))
        if self.target.matte:  # framed as the second look expects heads
            found["landmark_error"] = round(landmark_error(head, truth), 4)
        return found

    def _psnr(self, image: Tensor) -> float:
        """dB, of a picture in [-1, 1] against the photo on the generator's background, within the photo's border."""
        image = F.adaptive_avg_pool2d(image, self.target.image.shape[-1])
        truth, _ = completed(self.target.image, None, image, None, self.target.beyond)
        return round(float(10 * torch.log10(4 / (image - truth).square().mean().clamp(min=1e-10))), 3)


def invert_crop(crop: np.ndarray, camera: Tensor | np.ndarray, mask: np.ndarray | None = None, method: str = "spi",
                preset: str = "balanced", generator: TriPlaneGenerator | None = None, seed: int = 0) -> Portrait3D:
    """Invert an aligned crop whose camera is known.

    Args:
        crop: uint8 ``[H, H, 3]``.
        camera: float ``[25]``.
        mask: uint8 ``[H, H]`` (255 = head) or None.
        generator: default: the built-in one.

    Raises:
        RequestError: wrong shapes, unknown method or preset.
    """
    from ..generator import load_generator

    generator = generator or load_generator()
    return Inversion(make_target(crop, camera, mask, generator), generator, settings(method, preset), seed).finish()


@dataclass(frozen=True)
class PhotoRequest:
    """What a user may say about a photo: which face, its pose if it is known (degrees), and corrections of the crop (``faces.nudged``)."""

    face: int | None = None
    yaw: float | None = None
    pitch: float | None = None
    roll: float = 0.0
    zoom: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)


def prepare_photo(photo: np.ndarray, generator: TriPlaneGenerator, request: PhotoRequest = PhotoRequest(),
                  provider: FaceProvider | None = None) -> FaceCrop:
    """Find the face, cut it out as the generator expects, give it a camera and a mask.

    Args:
        photo: uint8 ``[H, W, 3]`` (``faces.read_photo``).

    Raises:
        NoFaceFound, PhotoError, RequestError.
    """
    face = choose_face((provider or load_provider()).find(photo), request.face)
    return crop_face(photo, face, generator, request)


def crop_face(photo: np.ndarray, face: Face, generator: TriPlaneGenerator, request: PhotoRequest = PhotoRequest()) -> FaceCrop:
    """The same for a face that was found before."""
    config = generator.config
    yaw = face.yaw if request.yaw is None else request.yaw
    pitch = face.pitch if request.pitch is None else request.pitch
    if not (abs(yaw) <= MAX_PHOTO_YAW and abs(pitch) <= 45):
        raise RequestError(f"The pose (yaw {yaw:.0f}, pitch {pitch:.0f}) is beyond what one photo allows.",
                           f"Keep yaw within ±{MAX_PHOTO_YAW:.0f} and pitch within ±45 degrees.")
    head, frame = (nudged(frame_for(face, style), request.roll, request.zoom, request.shift)
                   for style in ("head", "head" if config.white_back else "ffhq"))
    whole = Pyramid(as_tensor(photo))
    close = look_closer(whole, torch.from_numpy(head))
    image = align_frame(photo, frame, config.image_resolution)
    landmarks = to_crop(face.landmarks, frame, config.image_resolution)
    camera = Camera.orbit(yaw, pitch, config.orbit_radius, config.orbit_pivot)
    shown = 1 - close.share(("background",), frame, config.image_resolution)
    person = person_share(whole, frame, config.image_resolution)
    outline = shown if person is None else head_share(person, shown, landmarks)
    return FaceCrop(image, camera, landmarks, head_mask(image, outline, landmarks), frame, face,
                    to_crop(close.landmarks, frame, config.image_resolution), close.visible,
                    inside_photo(frame, photo.shape, config.image_resolution),
                    close.body_share(frame, config.image_resolution), close.loose_share(frame, config.image_resolution),
                    align_frame(photo, frame, fine_side(frame), "reflection"),
                    *(close.share(names, frame, config.image_resolution) for names in (("hair",), SKIN)))


def start_inversion(crop: FaceCrop, generator: TriPlaneGenerator, method: str | InversionConfig = "spi", preset: str = "balanced",
                    seed: int = 0, request: PhotoRequest = PhotoRequest(), source: str = "builtin") -> Inversion:
    """An inversion of a prepared photo; the pose is refined unless the user gave it. ``method``: a name, or settings with their preset."""
    target = make_target(crop.image, crop.camera.vector()[0], crop.mask, generator, crop.body, crop.inside, crop.loose, crop.picture,
                         crop.hair, crop.skin)
    refine = request.yaw is None and request.pitch is None
    config = settings(method, preset) if isinstance(method, str) else method
    config = replace(config, pivot=replace(config.pivot, optimize_camera=refine or config.pivot.optimize_camera))
    return Inversion(target, generator, config, seed, source)


def invert_photo(photo: str | Path | np.ndarray, preset: str = "balanced", method: str = "spi",
                 generator: TriPlaneGenerator | None = None, seed: int = 0, request: PhotoRequest = PhotoRequest()) -> Portrait3D:
    """A picture file, or what ``faces.read_photo`` made of one, to a head that can be turned.

    Args:
        generator: default: the built-in one.
        request: which face, and what is known of its pose.

    Raises:
        PhotoError, NoFaceFound: the picture cannot be used.
        RequestError: unknown method or preset.
    """
    from ..generator import load_generator

    settings(method, preset)  # a wrong name is said before any work
    pixels = photo if isinstance(photo, np.ndarray) else read_photo(photo)
    generator = generator or load_generator()
    return start_inversion(prepare_photo(pixels, generator, request), generator, method, preset, seed, request).finish()


@torch.no_grad()
def landmark_error(image: Tensor, truth: Tensor) -> float:
    """Mean distance of the points read in two pictures ``[1, 3, H, W]``, where the second shows them, over its eyes' distance."""
    found, wanted = (look_closer(x.clamp(-1, 1).cpu()) for x in (image, truth))
    eyes = np.linalg.norm(wanted.landmarks[36:42].mean(0) - wanted.landmarks[42:48].mean(0))
    shown = wanted.visible > 0.5
    away = np.linalg.norm(found.landmarks - wanted.landmarks, axis=1)
    return float(away[shown if shown.any() else slice(None)].mean() / max(eyes, 1e-6))
