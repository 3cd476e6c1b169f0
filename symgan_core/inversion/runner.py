"""A running inversion: events, a stop at any step, and a snapshot at any time."""

from __future__ import annotations

import copy
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..generator import Head, TriPlaneGenerator
from ..geometry import Camera
from ..losses import load_perceptual
from ..portrait import Portrait3D
from ..portrait.storage import stored_pictures
from .appearance.detail_pictures import detail_pictures
from .appearance.light import Light, rendered_light
from .events import Event
from .method import Method, at_preset
from .pivot import find_pivot
from .previews import THREE_SIDES, turning, views_from
from .report import measure
from .start.latent import latent_statistics
from .state import PivotStage, Stage, State, TuningStage
from .target.target import Target, takes_colours
from .tuning import tune_generator
from .views.origins import origins

ORIGIN_YAWS = (-60.0, -30.0, 0.0, 30.0, 60.0)
"""Degrees."""


class Inversion:
    """A running inversion: iterate it for events, stop whenever you like, and take ``portrait()`` at any time, in between as well.

    Args:
        target: the photo's side (``make_target``).
        method: a method at a preset (``settings``).
        seed: the same seed on the same machine gives the same latent.
        source: of the generator, for the report.
    """

    def __init__(self, target: Target, generator: TriPlaneGenerator, method: Method, seed: int = 0, source: str = "builtin"):
        self.target, self.method, self.seed = target, at_preset(method), seed
        code = method.pivot.start.code(target, generator)
        self._guessed = code is not None
        start = latent_statistics(generator, target.camera)[0] if code is None else code
        self._state = State(generator, start.expand(1, generator.config.num_ws, -1).clone(), target.camera)
        self._perceptual = load_perceptual(method.perceptual, generator.device)
        self._painted: State | None = None
        self._report: dict[str, Any] = {
            "method": method.name, "preset": method.preset, "generator": source, "device": str(generator.device),
            "seed": seed, "perceptual": self._perceptual.name, "seconds": {}, "steps": {}, "losses": {}}

    def __iter__(self) -> Iterator[Event]:
        return self.events()

    def events(self, previews: bool = True) -> Iterator[Event]:
        """Run it, an event a step; ``previews=False`` leaves out pictures that are drawn to be shown alone: seconds, and the same head."""
        rng, method = torch.Generator().manual_seed(self.seed), self.method
        stage = PivotStage(self._state, self.target, method, self._perceptual, rng)
        pivot = self._timed("pivot", find_pivot(stage))
        if self._guessed:
            shown = yield from self._timed("guess", self._first_previews(stage, previews))
            # After a head that is painted the code alone would look like a step back.
            yield from turning(pivot, *shown) if shown and self._paints else pivot
        else:
            self._prepare(stage)
            yield from pivot
        if not (method.tuning and method.tuning.steps):
            return
        self.target, notes = self._masked(), {}
        stage = TuningStage(self._state, self.target.with_camera(self._state.camera), method, self._perceptual, rng)
        try:
            yield from self._timed("tuning", tune_generator(stage, notes))
        finally:
            self._report |= notes

    def _prepare(self, stage: Stage) -> None:
        self._state.camera_delta = torch.zeros(6, device=self._state.ws.device)
        for part in self.method.pivot.prepare:
            part.apply(stage)

    def _first_previews(self, stage: PivotStage, drawn: bool) -> Generator[Event, None, tuple[State, Tensor] | None]:
        """The head as the encoder has it, shown at once, and then with the photo's face; returns the latter and its planes, if drawn."""
        generator, state = self._state.generator, self._state
        yield Event("guess", 1, 2, {}, views_from(THREE_SIDES, state, generator.planes(state.ws)) if drawn else None)
        self._prepare(stage)
        if not drawn:
            yield Event("guess", 2, 2)
            return None
        shown = self._painted_in_one_pass(self.target) if self._paints else (state, generator.planes(state.ws))
        yield Event("guess", 2, 2, {}, views_from(THREE_SIDES, *shown))
        return shown

    @property
    def _paints(self) -> bool:
        """Whether the method would give the head the photo's colours before the first step of stage 2."""
        tuning = self.method.tuning
        prepares = tuning is not None and tuning.steps > 0 and any(part.shows_photo for part in tuning.prepare)
        return prepares and takes_colours(self._state.generator, self.target)

    def _painted_in_one_pass(self, target: Target) -> tuple[State, Tensor]:
        """The head so far, prepared as for stage 2, and its planes without the offset."""
        state = replace(self._state)
        stage = TuningStage(state, target.with_camera(state.camera), self.method, self._perceptual, torch.Generator()).prepare()
        return state, stage.planes

    def _masked(self) -> Target:
        """The photo without what stage 2 is not to learn."""
        target = self.target
        for mask in self.method.tuning.masks:
            target = mask.masked(target, self._state)
        return target

    def _timed(self, stage: str, events: Generator[Event, None, Any]) -> Generator[Event, None, Any]:
        begin = time.monotonic()
        try:
            while True:
                event = next(events)
                # Written at every step: a stopped inversion has a whole report too.
                self._report["seconds"][stage] = round(time.monotonic() - begin, 2)
                self._report["steps"][stage] = event.step
                self._report["losses"][stage] = {k: round(v, 5) for k, v in event.losses.items()}
                if event.skipped:
                    self._report.setdefault("skipped_steps", {})[stage] = event.skipped
                yield event
        except StopIteration as end:
            return end.value
        finally:
            events.close()

    def finish(self) -> Portrait3D:
        """Run to the end, and the portrait of it."""
        for _ in self.events(previews=False):
            pass
        return self.portrait()

    def portrait(self) -> Portrait3D:
        """The head so far, as a copy: a run that goes on changes neither it nor its report. A stopped run keeps all that it has learned."""
        state, portrait = self._state, self._snapshot()
        portrait.report["camera"] = [round(float(v), 6) for v in state.camera[0]]
        yaw, pitch = Camera.from_vector(state.camera).yaw_pitch()
        start_yaw, start_pitch = Camera.from_vector(self.target.camera).yaw_pitch()
        portrait.report["view"] = {"yaw": round(yaw, 2), "pitch": round(pitch, 2)}
        portrait.report["camera_moved"] = {"yaw": round(yaw - start_yaw, 2), "pitch": round(pitch - start_pitch, 2)}
        portrait.report["metrics"] = measure(portrait, self.target, self._perceptual)
        return portrait

    def _snapshot(self, detailed: bool = True) -> Portrait3D:
        state = self._state
        if state.offset is None and state.camera_delta is not None and self._paints:
            if self._painted is None or self._painted.ws is not state.ws:
                self._painted, _ = self._painted_in_one_pass(self._masked())
            state = self._painted
        generator = frozen_copy(state.generator)
        offset, gate = (None, None) if state.offset is None else (state.offset.total(), state.offset.gate)
        portrait = Portrait3D(generator, state.ws.detach().clone(), state.camera.detach().clone(), copy.deepcopy(self._report), offset,
                              self.target.backdrop, gate)
        if self.method.detail and detailed:
            target = self.target.with_camera(portrait.camera)
            head = Head(generator, portrait.ws, portrait.planes())
            portrait.pictures = stored_pictures(detail_pictures(head, target, self.method.warp, self._light(portrait)))
            portrait.materials = state.materials
        return portrait

    def _light(self, portrait: Portrait3D) -> Light | None:
        """What falls on the head, where the method matches it and the generator knows it."""
        mirror, generator = self.method.warp.mirror, portrait.generator
        if mirror is None or not mirror.match_light or not self.target.with_camera(portrait.camera).mirror_weight > 0:
            return None
        return rendered_light(Head.of(generator, portrait.ws))

    def origins(self, yaws: Sequence[float] = ORIGIN_YAWS) -> tuple[Tensor, dict[str, float]]:
        """Where the pixels of the turned head come from.

        Returns:
            ``[len(yaws), 1, H, W]`` uint8: 1 seen in the photo, 2 taken from the mirrored photo, 3 invented by the generator, 0 no head;
            and the shares of the three over all views, which reports of later portraits have.
        """
        portrait, warp = self._snapshot(detailed=False), self.method.warp
        if not (self.method.tuning and self.method.tuning.steps):
            warp = replace(warp, mirror=None)
        cameras = torch.cat([portrait.orbit_camera(yaw) for yaw in yaws])
        light = None if warp.mirror is None else self._light(portrait)
        head = Head.of(portrait.generator, portrait.ws, portrait.planes())
        maps = origins(head, self.target.with_camera(portrait.camera), cameras, warp, light)
        counts = torch.bincount(maps.flatten().long(), minlength=4)[1:].double()
        shares = (counts / counts.sum().clamp(min=1)).tolist()
        self._report["origins"] = {name: round(x, 4) for name, x in zip(("seen", "mirrored", "invented"), shares, strict=True)}
        return maps, dict(self._report["origins"])


def frozen_copy(generator: TriPlaneGenerator) -> TriPlaneGenerator:
    """The generator as it is now: a copy of the parts that are being tuned; itself, if there are none."""
    parts = {name.split(".")[0] for name, weight in generator.named_parameters() if weight.requires_grad}
    return (generator.copy_with_trainable(parts).requires_grad_(False) if parts else generator).eval()
