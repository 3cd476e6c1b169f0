"""The page: what stands where, and which handler each event calls."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from . import texts
from .api import add_api
from .downloads import Downloads
from .edits import EditBlock, edit_block
from .handlers import Shown, Studio, bar, message
from .looking import COLOUR, DRAFT_SCALE, ORIGINS, PHOTO, Look
from .queues import DRAFTS, FULL, HEAVY, LIGHT, QUICK, SPARE
from .sharing import Sharing
from .upload import Upload
from .viewer import head_value, middle, photo_value, spoken, still_value, strip_value, viewer

CSS = Path(__file__).with_name("page.css")
MEND = Path(__file__).with_name("mend.js")
POSE = (0.0, 0.0)
"""Yaw and pitch, degrees, at which a head is shown first."""
BUSY = "(...inputs) => { document.querySelector('.sg-make').dataset.busy = 1; return inputs; }"
"""Run in the browser as a run begins: the button that stops takes the place of the one that starts."""
UNDO = 30
"""Steps that can be taken back."""


def theme() -> gr.themes.Base:
    """Indigo on slate; all text has a contrast of at least 4.5."""
    fonts = ("Inter", "ui-sans-serif", "system-ui", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
    plain = "transparent"
    return gr.themes.Soft(primary_hue="indigo", neutral_hue="slate", radius_size="lg", font=fonts).set(
        block_title_background_fill=plain, block_title_background_fill_dark=plain, block_title_padding="0",
        block_label_background_fill=plain, block_label_background_fill_dark=plain,
        button_primary_background_fill="#4338ca", button_primary_background_fill_hover="#3730a3", button_primary_text_color="#ffffff",
        button_primary_background_fill_dark="#4f46e5", button_primary_background_fill_hover_dark="#4338ca",
        body_text_color_subdued="#475569", body_text_color_subdued_dark="#cbd5e1", block_info_text_color="#475569",
        block_info_text_color_dark="#cbd5e1", block_label_text_color="#334155", block_label_text_color_dark="#e2e8f0",
        block_title_text_color="#1e293b", block_title_text_color_dark="#f1f5f9", input_placeholder_color="#64748b",
        input_placeholder_color_dark="#cbd5e1", body_background_fill="#f5f7fb", block_background_fill="#ffffff",
        # What can be operated has an edge that stands out from its ground by 3 to 1.
        checkbox_border_color="#75839a", checkbox_border_color_dark="#94a3b8", checkbox_border_width="1px", input_border_width="1px",
        input_border_color="#8290a5", input_border_color_dark="#7486a0", button_border_width="1px", button_small_radius="8px",
        button_secondary_border_color="#8290a5", button_secondary_border_color_dark="#7486a0", button_secondary_shadow="none",
        slider_color="#4f46e5", slider_color_dark="#818cf8", link_text_color_visited="#4338ca", link_text_color_dark="#a5b4fc",
        link_text_color_hover_dark="#c7d2fe", link_text_color_active_dark="#c7d2fe", link_text_color_visited_dark="#a5b4fc",
        button_secondary_background_fill_hover_dark="#5b6b82")


def build(studio: Studio) -> gr.Blocks:
    """The whole page, ready to be queued and launched."""
    with gr.Blocks(title=f"{texts.TITLE}: {texts.ENGLISH.TAGLINE}", analytics_enabled=False, fill_width=True) as blocks:
        Page(studio).connect(blocks)
        add_api(studio)
    return blocks


class Page:
    """All components of the page, in the order in which they stand there."""

    def __init__(self, studio: Studio):
        self.studio = studio
        self.portrait = gr.State(None)
        self.pose, self.past = gr.State(POSE), gr.State([])
        gr.HTML(f'<header class="sg-head"><h1>{texts.TITLE}</h1><p>{texts.TAGLINE}</p></header>')
        self.shared_note = gr.HTML(visible=False)
        with gr.Row(elem_classes="sg-main", equal_height=False):
            with gr.Column(scale=6, min_width=300, elem_classes="sg-stage"):
                self._stage()
            with gr.Column(scale=4, min_width=300, elem_classes="sg-make") as self.making:
                self.upload = Upload(studio)
                gr.Markdown(f"**{texts.GALLERY}**", elem_classes="sg-quiet")
                self.gallery = gr.Gallery(self._pictures(texts.ENGLISH), show_label=False, columns=4, height="auto", allow_preview=False,
                                          elem_id="gallery", object_fit="cover", buttons=[])
                self.upload.options()
            with gr.Column(scale=4, min_width=300, elem_classes="sg-edit"):
                self._editing()
        self.footer = gr.Markdown(texts.FOOTER, elem_classes="sg-footer")

    def _pictures(self, said: texts.Texts) -> list[tuple[str, str]]:
        """The gallery, with names as they are written in a language."""
        return [(str(example.photo), said.EXAMPLES.get(example.name, example.title)) for example in self.studio.examples]

    def _stage(self) -> None:
        self.viewer = viewer("viewer")
        self.status = gr.HTML(message(texts.EMPTY), elem_id="status")
        with gr.Row(elem_classes="sg-buttons"):
            self.mode = gr.Radio([(label, key) for key, label in texts.MODES.items()], value=COLOUR, label=texts.MODE, show_label=False,
                                 container=False, elem_id="mode", min_width=270, scale=3)
            self.background = gr.Dropdown([(label, key) for key, label in texts.BACKGROUNDS.items()], value="white", show_label=False,
                                          container=False, label=texts.BACKGROUND, elem_id="background", min_width=110, scale=1)
        self.downloads = Downloads(self.studio)
        self.sharing = Sharing(self.studio)

    def _editing(self) -> None:
        gr.Markdown(f"**{texts.EDIT}**", elem_classes="sg-quiet")
        with gr.Row(elem_classes="sg-buttons"):
            self.undo = gr.Button(texts.UNDO, size="sm", elem_id="undo", min_width=90)
            self.reset = gr.Button(texts.RESET, size="sm", elem_id="reset-all", min_width=90)
        self.edits: EditBlock = edit_block(self.studio.directions)
        with gr.Row(elem_classes="sg-buttons"):
            self.refilm = gr.Button(texts.NEW_VIDEO, size="sm", elem_id="refilm", min_width=120)
            self.express = gr.Button(texts.NEW_EXPRESSION, size="sm", elem_id="film-expression", min_width=120)

    # -- what handlers return ------------------------------------------------------------------------------------------

    def updates(self, shown: Shown) -> dict[Any, Any]:
        """A step of long work, on the page."""
        out: dict[Any, Any] = {self.status: shown.status}
        if shown.preview is not None:
            out[self.viewer] = still_value(middle(shown.preview), 0.0, 0.0, stop=True)
        if shown.files is not None:
            out[self.downloads.files] = gr.update(value=shown.files, visible=bool(shown.files))
        if shown.portrait_id is not None:
            out[self.portrait] = shown.portrait_id
            out[self.pose] = POSE
        if shown.strip is not None:
            out[self.viewer] = head_value(shown.portrait_id or "", shown.strip, shown.coarse)
        return out

    def look(self, request: gr.Request, number: str | None, pose: tuple[float, float], background: str, mode: str, *values: float) -> Any:
        """The head as the sliders and the pose have it, or its photo."""
        if mode != PHOTO:
            return self._picture(request, number, Look(pose, background, self.edits.named(values), mode))
        photo = self.studio.photo_of(number)
        if photo is None:
            gr.Info(texts.of(request).NO_PHOTO_HERE, title=texts.of(request).NOTE)
            return gr.skip()
        return photo_value(photo)

    def turn(self, event: gr.EventData, request: gr.Request, number: str | None, background: str, mode: str, *values: float) -> Any:
        """The head rests in another pose."""
        pose, mode = (float(event.yaw), float(event.pitch)), _of_head(mode)
        picture = self._picture(request, number, Look(pose, background, self.edits.named(values), mode), keep=True)
        return {self.pose: pose, self.mode: mode, self.viewer: picture}

    def _picture(self, request: gr.Request, number: str | None, look: Look, keep: bool = False) -> Any:
        picture = self.studio.view(request.session_hash or "", number, look)
        if picture is None:
            if number and self.studio.store.folder_of(number) is None:
                gr.Warning(texts.of(request).EXPIRED, title=texts.of(request).NOTE)
            return gr.skip()
        other = look.mode != COLOUR or look.background != "white" or self.studio.edited(number, look.strengths)
        return still_value(picture, *look.pose, stale=None if keep else other, stop=not keep, legend=look.mode == ORIGINS,
                           draft=look.scale < 1)

    def strip(self, request: gr.Request, number: str | None, background: str, mode: str, *values: float) -> Any:
        """Views of the edited head from all sides, coarse ones, so that it can be turned without the server."""
        look = Look(background=background, strengths=self.edits.named(values), mode=mode)
        views = self.studio.views(request.session_hash or "", number, look)
        return strip_value(number or "", *views) if views else gr.skip()

    def slide(self, request: gr.Request, past: list[list[float]], number: str | None, pose: tuple[float, float], background: str, mode: str,
              *values: float) -> dict[Any, Any]:
        """Sliders have moved: the head as they have it, and their values for undo, which thus knows all that can be seen."""
        mode, now = _of_head(mode), list(values)
        scale = 1.0 if mode == ORIGINS else DRAFT_SCALE
        picture = self._picture(request, number, Look(pose, background, self.edits.named(values), mode, scale))
        return {self.viewer: picture, self.mode: mode, self.past: past if past and past[-1] == now else [*past, now][-UNDO:]}

    def take_back(self, past: list[list[float]], number: str | None) -> dict[Any, Any]:
        """The sliders as they were before the last change; at the first, as the portrait was opened."""
        before, opened = past[:-1], self.studio.strengths(number)
        values = before[-1] if before else [opened[name] for name in self.edits.sliders]
        return {self.past: before} | dict(zip(self.edits.sliders.values(), values, strict=True))

    def begin(self, number: str | None = None) -> dict[Any, Any]:
        """The sliders of a portrait that has just been made or opened; at their middle without one."""
        return {self.past: [], self.pose: POSE, self.mode: COLOUR} | self.edits.at(self.studio.strengths(number))

    def open_example(self, event: gr.SelectData, request: gr.Request) -> dict[Any, Any]:
        """A portrait of the gallery."""
        return self.updates(self.studio.open_example(event.index, request.session_hash or "", texts.of(request)))

    def film(self, work: str, request: gr.Request, number: str | None, background: str, *values: float) -> Iterator[dict[Any, Any]]:
        """A film of the head as the sliders have it: ``work`` is a method of the studio."""
        making = getattr(self.studio, work)(request.session_hash or "", number, background, self.edits.named(values), texts.of(request))
        yield from map(self.updates, making)

    def run(self, request: gr.Request, photo: str | None, preset: str, *wanted: Any) -> Iterator[dict[Any, Any]]:
        """Photo to 3D portrait: live stages on the stage itself, then the head."""
        said = texts.of(request)
        if not photo:
            raise gr.Error(said.NO_PHOTO, print_exception=False)
        yield {self.status: bar(said.LOOKING, 0)}
        failed = None
        for shown in self.studio.invert(photo, preset, self.upload.asked(*wanted), request.session_hash or "", said):
            failed = shown.failed or failed
            yield self.updates(shown)
        if failed:
            gr.Warning(failed, title=said.FAULT)

    def arrive(self, request: gr.Request) -> dict[Any, Any]:
        """A shared head, an example by name, or the first of the gallery: something turns before anything is clicked. What Gradio does not
        translate in the browser comes along in the visitor's language."""
        said = texts.of(request)
        out = self._arrived(request, said)
        out[self.viewer] = out.get(self.viewer, {}) | spoken(said)
        provider = said.PROVIDER.format(name=self.studio.provider.name, generator=self.studio.generator.config.name)
        out[self.footer] = f"{said.FOOTER} {provider}"
        if said.EXAMPLES != texts.ENGLISH.EXAMPLES:
            out[self.gallery] = self._pictures(said)
        return out

    def _arrived(self, request: gr.Request, said: texts.Texts) -> dict[Any, Any]:
        session, query = request.session_hash or "", request.query_params
        if share_id := query.get("r"):
            shown = self.studio.open_share(share_id, session, said)
            if shown is None or shown.failed:
                told = message(said.LINK_GONE, "error") if shown is None else shown.status
                return self.updates(self.studio.open_example(0, session, said)) | {self.status: told}
            home = f'<h2>{said.SHARED_TITLE}</h2><p><a href="./" target="_self">{said.MAKE_YOURS}</a></p>'
            return self.updates(shown) | {self.making: gr.update(visible=False), self.shared_note: gr.update(value=home, visible=True),
                                          self.sharing.row: gr.update(visible=False)}
        named = self.studio.open_example_named(query.get("example", ""), session, said)
        return self.updates(named or self.studio.open_example(0, session, said)) | {self.status: message(said.EMPTY)}

    # -- events --------------------------------------------------------------------------------------------------------

    def connect(self, blocks: gr.Blocks) -> None:
        """All events."""
        sliders = list(self.edits.sliders.values())
        looks = [self.portrait, self.pose, self.background, self.mode, *sliders]
        poses = [self.portrait, self.background, self.mode, *sliders]
        stage = [self.status, self.viewer, self.portrait, self.pose, self.downloads.files]
        begun = [self.past, self.pose, self.mode, *sliders]
        moved = {"fn": self.slide, "inputs": [self.past, *looks], "outputs": [self.viewer, self.mode, self.past]}
        self.upload.connect(self.status)
        made = self.upload.go.click(self.run, [self.upload.photo, self.upload.preset, *self.upload.wanted],
                                    stage, js=BUSY, **HEAVY)
        # Which button is shown is the browser's: it answers at once, and gradio drops such updates in the midst of a stream.
        done = made.then(None, js="() => { delete document.querySelector('.sg-make').dataset.busy; }")
        done.then(lambda: texts.STOP, None, self.upload.stop, **QUICK)
        made.then(self.begin, self.portrait, begun, **QUICK)
        self.upload.stop.click(self.halt, None, self.upload.stop, queue=False, api_visibility="private")
        opened = self.gallery.select(self.open_example, None, stage, **QUICK)
        opened.then(self.begin, self.portrait, begun, **QUICK)
        self.viewer.turn(self.turn, poses, [self.pose, self.mode, self.viewer], **FULL)
        self.viewer.strip(self.strip, poses, self.viewer, **SPARE)
        self.viewer.near(self.studio.prepare, self.portrait, None, **SPARE)
        for slider in sliders:
            slider.input(**moved, **DRAFTS)
        for control in (self.background, self.mode):
            control.input(self.look, looks, self.viewer, **DRAFTS)
        self.undo.click(self.take_back, [self.past, self.portrait], [self.past, *sliders], **QUICK).then(**moved, **LIGHT)
        zeros = dict.fromkeys(self.edits.sliders, 0.0)
        for button, strengths in [(self.reset, zeros), *((s.button, s.strengths) for s in self.edits.setters)]:
            some = [self.edits.sliders[name] for name in strengths]
            button.click(partial(self.edits.at, strengths), None, some, **QUICK).then(**moved, **LIGHT)
        for button, work in ((self.refilm, "refilm"), (self.express, "film_expression")):
            button.click(partial(self.film, work), [self.portrait, self.background, *sliders], stage, **HEAVY)
        self.sharing.connect(self.status, self.portrait, self.edits)
        self.downloads.connect(self.status, self.portrait, self.pose, self.edits)
        arrived = blocks.load(self.arrive, None, [*stage, self.making, self.shared_note, self.sharing.row, self.footer, self.gallery],
                              **QUICK)
        arrived.then(self.begin, self.portrait, begun, **QUICK)

    def halt(self, request: gr.Request) -> str:
        """Stop the visitor's run, what is there is kept; the button says so."""
        self.studio.stop(request.session_hash or "")
        return texts.STOPPING


def _of_head(mode: str) -> str:
    """Whoever turns or edits the head wants to see it, and no longer the photo."""
    return COLOUR if mode == PHOTO else mode
