"""Addresses of ours beside Gradio's: pictures for messengers, and signs of life from the page; and the tags in the page's HTML.

``launch(app_kwargs=app_options(studio))`` puts them around Gradio's app, which stays as it is.
"""

from __future__ import annotations

from functools import cache
from typing import Any
from urllib.parse import quote

from gradio.route_utils import get_root_url
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from symgan_core.errors import SymganError

from . import texts
from .cards import Card, mosaic, with_card
from .guard import Guard
from .handlers import Studio

SHORT, LONG = "public, max-age=300", "public, max-age=86400"
"""For how many seconds others may keep a picture: of a share, which may be deleted, and of the gallery."""

STUCK = 600
"""Seconds; a step of a run takes one, its longest piece some."""


def app_options(studio: Studio) -> dict[str, Any]:
    """What Gradio's ``launch`` takes as ``app_kwargs``."""
    own = Routes(studio)
    routes = [Route("/healthz", own.health), Route("/metrics", own.metrics),
              Route("/share/gallery.jpg", own.gallery), Route("/share/{share_id}.jpg", own.preview),
              Route("/visit/{session}/here", own.here, methods=["POST"]), Route("/visit/{session}/left", own.left, methods=["POST"])]
    return {"routes": routes, "middleware": [Middleware(Guard), Middleware(Cards, studio=studio)]}


class Routes:
    """The endpoints. A session's name is its key, as everywhere in Gradio."""

    def __init__(self, studio: Studio):
        self.studio = studio
        self._mosaic = cache(lambda: mosaic([example.photo for example in studio.examples]))

    def health(self, request: Request) -> Response:
        """200 while the page is well; 503 where one piece of work has taken longer than any does."""
        well = self.studio.room.computing.busy() < STUCK
        return JSONResponse({"well": well, "line": len(self.studio.line)}, 200 if well else 503, {"Cache-Control": "no-store"})

    def metrics(self, request: Request) -> Response:
        """Numbers for Prometheus."""
        return Response(self.studio.metrics.text(), media_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"})

    def preview(self, request: Request) -> Response:
        """The picture of a share; nothing once it is deleted or has expired."""
        try:
            picture, why = self.studio.shares.preview_of(request.path_params["share_id"]), 404
        except SymganError:  # shares cannot be reached
            picture, why = None, 503
        if picture is None:
            return Response(status_code=why, headers={"Cache-Control": "no-store"})
        return Response(picture, media_type="image/jpeg", headers={"Cache-Control": SHORT})

    def gallery(self, request: Request) -> Response:
        """The picture of the page itself."""
        return Response(self._mosaic(), media_type="image/jpeg", headers={"Cache-Control": LONG})

    def here(self, request: Request) -> Response:
        """The page is open in a visitor's browser."""
        self.studio.store.heard(request.path_params["session"])
        return Response(status_code=204)

    def left(self, request: Request) -> Response:
        """A visitor has closed the page, or gone to another."""
        self.studio.forget(request.path_params["session"])
        return Response(status_code=204)


class Cards:
    """ASGI middleware: the HTML of the page gets the tags of its address."""

    def __init__(self, app: ASGIApp, studio: Studio):
        self.app, self.studio = app, studio

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; all but the page itself passes unchanged."""
        if scope["type"] != "http" or scope["path"].removeprefix(scope.get("root_path", "")) not in ("", "/"):
            await self.app(scope, receive, send)
            return
        start: Message = {}
        parts: list[bytes] = []

        async def rewritten(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
                return
            parts.append(message.get("body", b""))
            if message.get("more_body"):
                return
            body = b"".join(parts)
            headers = list(start["headers"])
            if start["status"] == 200 and dict(headers).get(b"content-type", b"").startswith(b"text/html"):
                card = await run_in_threadpool(self.card, Request(scope))
                body = with_card(body.decode(), card).encode()
                headers = [(name, value) for name, value in headers if name != b"content-length"]
                headers.append((b"content-length", str(len(body)).encode()))
            await send(start | {"headers": headers})
            await send({"type": "http.response.body", "body": body})

        await self.app(scope, receive, rewritten)

    def card(self, request: Request) -> Card:
        """Of a share, where the address leads to one; of the page, otherwise. The photo that a share was made from is in none."""
        app, scope = request.scope["app"], request.scope
        root = get_root_url(request, "/", app.root_path or scope.get("root_path"))  # as Gradio finds it, behind a proxy too
        share_id = request.query_params.get("r")
        try:
            title, there = self.studio.shares.title_of(share_id), self.studio.shares.preview_of(share_id) is not None
        except SymganError:
            title, there = None, False
        if title is None:
            return Card(f"{texts.TITLE}: {texts.ENGLISH.TAGLINE}", texts.ENGLISH.CARD, f"{root}/", f"{root}/share/gallery.jpg")
        picture = f"{root}/share/{quote(share_id)}.jpg" if there else f"{root}/share/gallery.jpg"
        return Card(title, texts.ENGLISH.SHARE_CARD, f"{root}/?r={quote(share_id)}", picture, private=True)
