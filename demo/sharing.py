"""Links: made by a click, kept in a list in the visitor's browser, deleted by a token."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from symgan_core.errors import SymganError

from . import texts
from .edits import EditBlock
from .handlers import Shown, Studio, link_for, message
from .queues import HEAVY, QUICK
from .share import Share
from .shown import told

REMEMBERED = 20
"""Links in a browser's list."""


class Sharing:
    """The components of sharing. ``row`` is hidden on a shared page."""

    def __init__(self, studio: Studio):
        self.studio = studio
        self.links = gr.BrowserState([], storage_key="symgan-links", secret="symgan-links")
        with gr.Column(elem_classes="sg-share") as self.row:
            with gr.Row(elem_classes="sg-buttons"):
                self.days = gr.Dropdown([(texts.DAYS[str(days)], days) for days in (1, 7, 30)], value=7, label=texts.EXPIRY, elem_id="days",
                                        min_width=120)
                self.make = gr.Button(texts.SHARE, elem_id="share", min_width=120)
            self.link = gr.Textbox(label=texts.LINK, visible=False, interactive=False, buttons=["copy"], elem_id="link",
                                   info=texts.SHARE_NOTE)
            with gr.Accordion(texts.MY_LINKS, open=False, elem_id="my-links"):
                self.choice = gr.Dropdown([], label=texts.MY_LINKS, elem_id="link-choice", interactive=True)
                self.remove = gr.Button(texts.UNSHARE, size="sm", elem_id="unshare")

    def create(self, request: gr.Request, number: str | None, days: int, links: list[list[str]],
               *values: float) -> Iterator[dict[Any, Any]]:
        """Store the head as it is now, an edited one with a film of its own; the address, and the longer list."""
        made, said = None, texts.of(request)
        for made in self.studio.share(request.session_hash or "", number, self._edits.named(values), int(days), said):
            if isinstance(made, Shown):
                yield {self.status: made.status}
        if not isinstance(made, Share):
            raise gr.Error((made and made.failed) or (said.EXPIRED if number else said.NOTHING_TO_SHARE), print_exception=False)
        address = link_for(str(request.headers.get("referer") or request.request.base_url), made.id)
        links = [*_known(links), [made.id, made.token, address]][-REMEMBERED:]
        ready = {self.status: message(said.LINK_READY, "done")}
        yield ready | {self.link: gr.update(value=address, visible=True), self.links: links} | self._listed(links)

    def delete(self, request: gr.Request, address: str | None, links: list[list[str]]) -> dict[Any, Any]:
        """Delete the chosen link, with its own token."""
        links = _known(links)
        for share_id, token, known in links:
            if known == address:
                try:
                    self.studio.delete_link(share_id, token)
                except SymganError as error:
                    raise gr.Error(told(error, texts.of(request)), print_exception=False) from None
                gr.Info(texts.of(request).UNSHARED, title=texts.of(request).INFO)
        links = [one for one in links if one[2] != address]
        return {self.links: links, self.link: gr.update(value="", visible=False)} | self._listed(links)

    def _listed(self, links: list[list[str]]) -> dict[Any, Any]:
        addresses = [address for *_, address in reversed(_known(links))]
        return {self.choice: gr.update(choices=addresses, value=addresses[0] if addresses else None)}

    def connect(self, status: gr.HTML, portrait: gr.State, edits: EditBlock) -> None:
        """The events of sharing; ``status`` is where their line goes."""
        self.status, self._edits = status, edits
        sliders = list(edits.sliders.values())
        outputs = [self.link, self.links, self.choice]
        self.make.click(self.create, [portrait, self.days, self.links, *sliders], [status, *outputs], **HEAVY)
        self.remove.click(self.delete, [self.choice, self.links], outputs, **QUICK)
        self.links.change(self._listed, self.links, self.choice, **QUICK)


def _known(links: Any) -> list[list[str]]:
    """Those of a browser's list that are links: id, token and address. What a browser keeps, its owner may have changed."""
    return [one for one in links if isinstance(one, list) and len(one) == 3 and all(isinstance(part, str) for part in one)] \
        if isinstance(links, list) else []
