"""The page: components and which handler each event calls. No logic."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from symgan_core.inversion import PhotoRequest

from . import texts
from .api import add_api
from .edits import edit_block
from .handlers import Checked, Shown, Studio, bar, link_for, message

CSS = Path(__file__).with_name("page.css")


def upload_path(payload: Any) -> str | None:
    """Preprocessing of the upload: our own reader alone judges the bytes; gradio would raise at a broken file before we see it."""
    return None if payload is None else payload.path


def build(studio: Studio) -> gr.Blocks:
    """The whole page, ready to be queued and launched."""
    settings = studio.settings
    with gr.Blocks(title=f"{texts.TITLE}: {texts.TAGLINE}", analytics_enabled=False) as page:
        portrait_id, share_state = gr.State(None), gr.State(None)
        gr.HTML(f'<div class="sg-head"><h1>{texts.TITLE}</h1><p class="sg-tag">{texts.TAGLINE}</p>'
                f'<p class="sg-intro">{texts.INTRO}</p></div>')
        shared_note = gr.HTML(visible=False)
        with gr.Row():
            with gr.Column(scale=5, min_width=320) as making:
                photo = gr.Image(label=texts.PHOTO, type="filepath", sources=["upload", "clipboard"], height=300, elem_id="photo")
                photo.preprocess = upload_path
                preset = gr.Radio([(label, key) for key, label in texts.PRESETS.items()], value="fast", label=texts.PRESET,
                                  elem_id="preset")
                with gr.Row():
                    go = gr.Button(texts.GO, variant="primary", elem_id="go")
                    stop = gr.Button(texts.STOP, variant="stop", visible=False, elem_id="stop")
                boxes = gr.Image(label=texts.BOXES, interactive=False, visible=False, height=220, buttons=[], elem_id="boxes")
                check = gr.Image(label=texts.CHECK, interactive=False, visible=False, height=240, buttons=[], elem_id="check")
                with gr.Accordion(texts.OPTIONS, open=False, elem_id="options"):
                    face = gr.Number(1, label=texts.FACE, minimum=1, maximum=12, precision=0, elem_id="face")
                    own_pose = gr.Checkbox(False, label=texts.OWN_POSE, elem_id="own-pose")
                    photo_yaw = gr.Slider(-70, 70, 0, step=1, label=texts.PHOTO_YAW, info=texts.YAW_INFO, elem_id="photo-yaw")
                    photo_pitch = gr.Slider(-40, 40, 0, step=1, label=texts.PHOTO_PITCH, elem_id="photo-pitch")
                    photo_roll = gr.Slider(-45, 45, 0, step=1, label=texts.PHOTO_ROLL, elem_id="photo-roll")
                    photo_zoom = gr.Slider(0.7, 1.4, 1, step=0.02, label=texts.PHOTO_ZOOM, elem_id="photo-zoom")
                    with gr.Row():
                        photo_right = gr.Slider(-0.2, 0.2, 0, step=0.01, label=texts.PHOTO_RIGHT, min_width=120, elem_id="photo-right")
                        photo_down = gr.Slider(-0.2, 0.2, 0, step=0.01, label=texts.PHOTO_DOWN, min_width=120, elem_id="photo-down")
                gr.Markdown(f"**{texts.GALLERY}**  \n{texts.GALLERY_NOTE}", elem_classes="sg-quiet")
                gallery = gr.Gallery([(str(e.photo), e.title) for e in studio.examples], show_label=False, columns=3, height=170,
                                     allow_preview=False, elem_id="gallery", object_fit="cover", buttons=[])
            with gr.Column(scale=7, min_width=360, elem_classes="sg-stage"):
                status = gr.HTML(message(texts.EMPTY), elem_id="status")
                with gr.Row():
                    preview = gr.Image(label=texts.PREVIEW, interactive=False, visible=False, height=360, buttons=[], elem_id="preview")
                    video = gr.Video(label=texts.VIDEO, autoplay=True, loop=True, height=360, interactive=False, elem_id="video",
                                     buttons=["download"])
                    view = gr.Image(label=texts.VIEW, interactive=False, height=360, buttons=["download"], elem_id="view",
                                    format="png")
                with gr.Row():
                    yaw = gr.Slider(-60, 60, 0, step=1, label=texts.YAW, elem_id="yaw")
                    pitch = gr.Slider(-30, 30, 0, step=1, label=texts.PITCH, elem_id="pitch")
                    zoom = gr.Slider(0.7, 1.8, 1, step=0.05, label=texts.ZOOM, elem_id="zoom")
                background = gr.Radio([(label, key) for key, label in texts.BACKGROUNDS.items()], value="white", label=texts.BACKGROUND,
                                      elem_id="background")
                gr.Markdown(f"**{texts.EDIT}**", elem_classes="sg-quiet")
                edits = edit_block(studio.directions)
                with gr.Row():
                    reset = gr.Button(texts.RESET, size="sm", elem_id="reset-all")
                    refilm = gr.Button(texts.NEW_VIDEO, size="sm", elem_id="refilm")
                    express = gr.Button(texts.NEW_EXPRESSION, size="sm", elem_id="film-expression")
                with gr.Row():
                    share = gr.Button(texts.SHARE, elem_id="share")
                    unshare = gr.Button(texts.UNSHARE, visible=False, elem_id="unshare")
                link = gr.Textbox(label=texts.LINK, visible=False, interactive=False, buttons=["copy"], elem_id="link",
                                  info=texts.SHARE_NOTE.format(days=settings.share_days))
                files = gr.File(label=texts.DOWNLOADS, file_count="multiple", interactive=False, visible=False)
        provider = texts.PROVIDER.format(name=studio.provider.name, generator=studio.generator.config.name)
        gr.Markdown(f"{texts.FOOTER} {provider}", elem_classes="sg-footer")

        stage = [status, preview, video, portrait_id, files, go, stop]
        sliders = list(edits.sliders.values())
        looks = [portrait_id, yaw, pitch, zoom, background, *sliders]
        crops = [photo_roll, photo_zoom, photo_right, photo_down]

        def asked(number: float, own: bool, yaw: float, pitch: float, roll: float, zoom: float, right: float, down: float) -> PhotoRequest:
            pose = (yaw, pitch) if own else (None, None)
            return PhotoRequest(int(number or 1) - 1, *pose, roll, zoom, (right, down))

        def inspect(photo: str | None, number: float, request: gr.Request) -> dict[Any, Any]:
            """A new photo, or another face of it: everything as it was found."""
            if not photo:
                return {boxes: gr.update(visible=False), check: gr.update(visible=False), status: message(texts.EMPTY)}
            seen = studio.check(photo, PhotoRequest(int(number or 1) - 1), request.session_hash or "")
            fresh = dict(zip([own_pose, *crops], (False, 0, 1, 0, 0), strict=True))
            return shown_check(seen) | fresh | {photo_yaw: seen.pose[0], photo_pitch: seen.pose[1]}

        def nudge(photo: str | None, request: gr.Request, *values: Any) -> dict[Any, Any]:
            return shown_check(studio.check(photo, asked(*values), request.session_hash or "")) if photo else {status: gr.update()}

        def shown_check(seen: Checked) -> dict[Any, Any]:
            return {status: seen.status, boxes: gr.update(value=seen.boxes, visible=seen.boxes is not None),
                    check: gr.update(value=seen.crop, visible=seen.crop is not None)}

        def run(photo: str | None, preset: str, number: float, own: bool, yaw: float, pitch: float, roll: float, zoom: float, right: float,
                down: float, request: gr.Request) -> Iterator[dict[Any, Any]]:
            """Photo to 3D portrait: live stages, then a video."""
            if not photo:
                raise gr.Error(texts.NO_PHOTO, print_exception=False)
            yield {status: bar(texts.LOOKING, 0, 1), go: gr.update(visible=False), stop: gr.update(visible=True),
                   video: gr.update(value=None, visible=False), view: gr.update(value=None, visible=False),
                   preview: gr.update(value=None, visible=True)}
            failed = None
            wanted = asked(number, own, yaw, pitch, roll, zoom, right, down)
            for shown in studio.invert(photo, preset, wanted, request.session_hash or ""):
                failed = shown.failed or failed
                yield updates(shown)
            yield {go: gr.update(visible=True), stop: gr.update(visible=False), preview: gr.update(visible=False),
                   video: gr.update(visible=True), view: gr.update(visible=True)}
            if failed:
                gr.Warning(failed)

        def updates(shown: Shown) -> dict[Any, Any]:
            out: dict[Any, Any] = {status: shown.status}
            if shown.preview is not None:
                out[preview] = shown.preview
            if shown.video is not None:
                out |= {video: gr.update(value=shown.video, visible=True),
                        files: gr.update(value=shown.files or [], visible=bool(shown.files))}
            if shown.portrait_id is not None:
                out[portrait_id] = shown.portrait_id
            return out

        def look(number: str | None, yaw: float, pitch: float, zoom: float, background: str, request: gr.Request, *values: float) -> Any:
            picture = studio.view(request.session_hash or "", number, yaw, pitch, zoom, background, edits.named(values))
            if number and picture is None:
                gr.Warning(texts.EXPIRED)
            return picture

        def begin(number: str | None = None) -> dict[Any, Any]:
            """The sliders of a portrait that has just been made or opened; at their middle without one."""
            return {yaw: 0, pitch: 0, zoom: 1} | edits.at(studio.strengths(number))

        def open_example(event: gr.SelectData, request: gr.Request) -> dict[Any, Any]:
            shown = studio.open_example(event.index, request.session_hash or "")
            return updates(shown) | {preview: gr.update(visible=False), view: gr.update(visible=True)}

        def film_again(number: str | None, background: str, request: gr.Request, *values: float) -> Iterator[dict[Any, Any]]:
            yield from map(updates, studio.refilm(request.session_hash or "", number, background, edits.named(values)))

        def film_expression(number: str | None, background: str, request: gr.Request, *values: float) -> Iterator[dict[Any, Any]]:
            yield from map(updates, studio.film_expression(request.session_hash or "", number, background, edits.named(values)))

        def make_link(number: str | None, request: gr.Request, *values: float) -> dict[Any, Any]:
            made = studio.share(request.session_hash or "", number, edits.named(values))
            if made is None:
                raise gr.Error(texts.EXPIRED if number else texts.NOTHING_TO_SHARE, print_exception=False)
            address = link_for(str(request.headers.get("referer") or request.request.base_url), made.id)
            return {link: gr.update(value=address, visible=True), unshare: gr.update(visible=True), share_state: (made.id, made.token)}

        def delete_link(made: tuple[str, str] | None) -> dict[Any, Any]:
            if made:
                studio.delete_link(*made)
            gr.Info(texts.UNSHARED)
            return {link: gr.update(value="", visible=False), unshare: gr.update(visible=False), share_state: None}

        def halt(request: gr.Request) -> None:
            studio.stop(request.session_hash or "")

        def arrive(request: gr.Request) -> dict[Any, Any]:
            share_id, example, session = request.query_params.get("r"), request.query_params.get("example"), request.session_hash or ""
            if not share_id:
                opened = studio.open_example_named(example or "", session)
                return updates(opened) if opened else {status: gr.update()}
            shown = studio.open_share(share_id, session)
            if shown is None:
                return {status: message(texts.LINK_GONE, "error")}
            home = f'<h2>{texts.SHARED_TITLE}</h2><p><a href="./" target="_self">{texts.MAKE_YOURS}</a></p>'
            return updates(shown) | {making: gr.update(visible=False), shared_note: gr.update(value=home, visible=True),
                                     status: gr.update(visible=False), share: gr.update(visible=False), files: gr.update(visible=False)}

        places = [yaw, pitch, zoom, *sliders]
        heavy = {"concurrency_id": "heavy", "concurrency_limit": 1}
        light = {"show_progress": "hidden", "concurrency_id": "light", "concurrency_limit": 2, "api_visibility": "private"}
        wanted = [face, own_pose, photo_yaw, photo_pitch, *crops]
        checking = [status, boxes, check]
        for event in (photo.change, face.change):
            event(inspect, [photo, face], [*checking, own_pose, photo_yaw, photo_pitch, *crops], **light)
        for slider in (photo_yaw, photo_pitch):
            slider.release(lambda: True, None, own_pose, **light).then(nudge, [photo, *wanted], checking, **light)
        for control in (own_pose, *crops):
            control.input(nudge, [photo, *wanted], checking, trigger_mode="always_last", **light)
        made = go.click(run, [photo, preset, *wanted], [*stage, view], **heavy, api_visibility="private", show_progress="hidden")
        made.then(begin, portrait_id, places, **light).then(look, looks, view, **light)
        stop.click(halt, None, None, queue=False, api_visibility="private")
        opened = gallery.select(open_example, None, [*stage, view], show_progress="minimal", api_visibility="private")
        opened.then(begin, portrait_id, places, **light).then(look, looks, view, **light)
        for control in (yaw, pitch, zoom, background, *sliders):
            control.input(look, looks, view, trigger_mode="always_last", **light)
        reset.click(begin, None, places, **light).then(look, looks, view, **light)
        for setter in edits.setters:
            some = [edits.sliders[name] for name in setter.strengths]
            setter.button.click(partial(edits.at, setter.strengths), None, some, **light).then(look, looks, view, **light)
        for button, work in ((refilm, film_again), (express, film_expression)):
            shown = button.click(lambda: gr.update(visible=True), None, status, **light)  # a shared head hides it until there is news
            shown.then(work, [portrait_id, background, *sliders], stage, **heavy, show_progress="hidden", api_visibility="private")
        share.click(make_link, [portrait_id, *sliders], [link, unshare, share_state], **heavy, api_visibility="private")
        unshare.click(delete_link, share_state, [link, unshare, share_state], api_visibility="private")
        arrived = page.load(arrive, None, [*stage, making, shared_note, share], show_progress="hidden", api_visibility="private")
        arrived.then(begin, portrait_id, places, **light).then(look, looks, view, **light)
        add_api(studio)
    return page
