"""The photo: which face of it, how it will be cut out, and how much work is to be done."""

from __future__ import annotations

from typing import Any

import gradio as gr

from symgan_core.inversion import PhotoRequest

from . import texts
from .handlers import Checked, Studio, message
from .queues import PHOTOS, QUICK


def upload_path(payload: Any) -> str | None:
    """Preprocessing of the upload: our own reader alone judges the bytes; gradio would raise at a broken file before we see it."""
    return None if payload is None else payload.path


class Upload:
    """The components of the upload, and the button that starts."""

    def __init__(self, studio: Studio):
        self.studio = studio
        self.photo = gr.Image(label=texts.PHOTO, show_label=False, type="filepath", sources=["upload", "clipboard"], height=190,
                              elem_id="photo", placeholder=texts.DROP, alt_text=texts.PHOTO)
        self.photo.preprocess = upload_path
        gr.Markdown(texts.PRIVACY_SPACE if studio.settings.space else texts.PRIVACY, elem_classes="sg-privacy")
        with gr.Row(elem_classes="sg-buttons"):
            self.preset = gr.Dropdown([(label, key) for key, label in texts.PRESETS.items()], value="fast", label=texts.PRESET,
                                      show_label=False, elem_id="preset", min_width=110, scale=2)
            self.go = gr.Button(texts.GO, variant="primary", elem_id="go", min_width=140, scale=3)
            self.stop = gr.Button(texts.STOP, variant="stop", elem_id="stop", min_width=140, scale=3)
        shown = {"show_label": False, "interactive": False, "visible": False, "height": 220, "buttons": []}
        self.boxes = gr.Image(label=texts.BOXES, alt_text=texts.BOXES, elem_id="boxes", **shown)
        self.check = gr.Image(label=texts.CHECK, alt_text=texts.CHECK, elem_id="check", **shown)

    def options(self) -> None:
        """What few visitors need, below the rest."""
        with gr.Accordion(texts.OPTIONS, open=False, elem_id="options"):
            self._options()
        self.forget = gr.Button(texts.FORGET, size="sm", elem_id="forget")

    def _options(self) -> None:
        self.face = gr.Number(1, label=texts.FACE, minimum=1, maximum=12, precision=0, elem_id="face")
        self.own_pose = gr.Checkbox(False, label=texts.OWN_POSE, elem_id="own-pose")
        self.yaw = gr.Slider(-70, 70, 0, step=1, label=texts.PHOTO_YAW, info=texts.YAW_INFO, elem_id="photo-yaw")
        self.pitch = gr.Slider(-40, 40, 0, step=1, label=texts.PHOTO_PITCH, elem_id="photo-pitch")
        self.roll = gr.Slider(-45, 45, 0, step=1, label=texts.PHOTO_ROLL, elem_id="photo-roll")
        self.zoom = gr.Slider(0.7, 1.4, 1, step=0.02, label=texts.PHOTO_ZOOM, elem_id="photo-zoom")
        with gr.Row():
            self.right = gr.Slider(-0.2, 0.2, 0, step=0.01, label=texts.PHOTO_RIGHT, min_width=120, elem_id="photo-right")
            self.down = gr.Slider(-0.2, 0.2, 0, step=0.01, label=texts.PHOTO_DOWN, min_width=120, elem_id="photo-down")

    @property
    def wanted(self) -> list[gr.Component]:
        """What ``asked`` takes, in its order."""
        return [self.face, self.own_pose, self.yaw, self.pitch, self.roll, self.zoom, self.right, self.down]

    @staticmethod
    def asked(number: float, own: bool, yaw: float, pitch: float, roll: float, zoom: float, *shift: float) -> PhotoRequest:
        """The request that the options make; ``shift``: to the right and down."""
        pose, (right, down) = (yaw, pitch) if own else (None, None), shift
        return PhotoRequest(int(number or 1) - 1, *pose, roll, zoom, (right, down))

    def inspect(self, photo: str | None, number: float, request: gr.Request) -> dict[Any, Any]:
        """A new photo, or another face of it: everything as it was found."""
        if not photo:
            return {self.boxes: gr.update(visible=False), self.check: gr.update(visible=False)}
        seen = self.studio.check(photo, PhotoRequest(int(number or 1) - 1), request.session_hash or "", texts.of(request))
        fresh = {self.own_pose: False, self.roll: 0, self.zoom: 1, self.right: 0, self.down: 0}
        return self._seen(seen) | fresh | {self.yaw: seen.pose[0], self.pitch: seen.pose[1]}

    def nudge(self, photo: str | None, request: gr.Request, *values: Any) -> dict[Any, Any]:
        """The same face, cut out or posed otherwise."""
        if not photo:
            return {self.check: gr.update()}
        return self._seen(self.studio.check(photo, self.asked(*values), request.session_hash or "", texts.of(request)))

    def choose(self, event: gr.SelectData, photo: str | None, request: gr.Request) -> Any:
        """The face that was clicked on."""
        number = self.studio.face_at(photo, event.index, request.session_hash or "")
        return gr.skip() if number is None else number + 1

    def delete(self, request: gr.Request) -> dict[Any, Any]:
        """Everything of this visitor leaves the disk."""
        self.studio.forget(request.session_hash or "")
        return {self.photo: None, self.status: message(texts.of(request).FORGOTTEN, "done"), self.boxes: gr.update(visible=False),
                self.check: gr.update(visible=False)}

    def _seen(self, seen: Checked) -> dict[Any, Any]:
        return {self.status: seen.status, self.boxes: gr.update(value=seen.boxes, visible=seen.boxes is not None),
                self.check: gr.update(value=seen.crop, visible=seen.crop is not None)}

    def connect(self, status: gr.HTML) -> None:
        """The events of the upload; ``status`` is where its line goes."""
        self.status = status
        shown = [status, self.boxes, self.check]
        chosen = self.boxes.select(self.choose, self.photo, self.face, **PHOTOS)
        # The number itself tells of no change while the options are closed: it is not on the page then.
        for event in (self.photo.change, self.face.input, chosen.then):
            event(self.inspect, [self.photo, self.face], [*shown, self.own_pose, self.yaw, self.pitch, self.roll, self.zoom, self.right,
                                                         self.down], **PHOTOS)
        for slider in (self.yaw, self.pitch):
            slider.release(lambda: True, None, self.own_pose, **QUICK).then(self.nudge, [self.photo, *self.wanted], shown, **PHOTOS)
        for control in (self.own_pose, self.roll, self.zoom, self.right, self.down):
            control.input(self.nudge, [self.photo, *self.wanted], shown, trigger_mode="always_last", **PHOTOS)
        self.forget.click(self.delete, None, [self.photo, *shown], **QUICK)
