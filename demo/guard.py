"""What stands before Gradio: no request makes this server fetch an address, and no body is larger than calls are.

Gradio would fetch for its callers: ``/gradio_api/file=https://…`` passes an address on, a file argument whose path is an address is
downloaded, and MCP tools take addresses for files. Nobody needs that here: photos are uploaded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from symgan_core.faces.photo import MAX_BYTES

API = "/gradio_api/"
MAX_CALL = 2 * 2**20
"""Bytes of a call's body: values of sliders, names, paths of uploads."""
MAX_TOOL = 48 * 2**20
"""The same of MCP's, whose photos come as data addresses."""
MAX_UPLOAD = MAX_BYTES + 2**20
"""Of an upload, with what its form takes."""
MAX_DEPTH = 40
"""Of nested lists and objects."""
_ADDRESS = re.compile(r"\s*[a-z][a-z0-9+.-]+:", re.IGNORECASE)
"""A scheme of two letters or more: one letter is a disk of Windows."""
_WEB = re.compile(r"\s*(?:https?|ftp|file):", re.IGNORECASE)
_FETCHING = re.compile(r"/(?:file[=/]\s*[a-z][a-z0-9+.-]+:|proxy=)", re.IGNORECASE)
REFUSED = "Addresses are not fetched here. Upload the photo, or send it as a data address."


class Refused(Exception):
    """A request that is answered with ``status`` and one line."""

    def __init__(self, status: int, line: str):
        self.status, self.line = status, line
        super().__init__(line)


class Guard:
    """ASGI middleware: looks at addresses, and at the bodies of calls before Gradio parses them; uploads pass."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        try:
            if _FETCHING.search(path):
                raise Refused(403, REFUSED)
            if scope["method"] in ("POST", "PUT", "PATCH") and path.startswith(API):
                if path.rstrip("/") == API + "upload":
                    _check_upload(dict(scope["headers"]))
                else:
                    receive = await _checked(path, receive)
        except Refused as refused:
            await JSONResponse({"error": refused.line}, refused.status)(scope, receive, send)
            return
        await self.app(scope, receive, send)


def _check_upload(headers: dict[bytes, bytes]) -> None:
    """Gradio limits each file of an upload, and not how many there are."""
    length = headers.get(b"content-length", b"")
    if not length.isdigit():
        raise Refused(411, "The upload does not say how long it is.")
    if int(length) > MAX_UPLOAD:
        raise Refused(413, f"The upload is too large. Use a photo of at most {MAX_BYTES // 2**20} MB.")


async def _checked(path: str, receive: Receive) -> Receive:
    """The body, for Gradio to read once more.

    Raises:
        Refused: it is too large, no JSON, nested too deeply, or names an address to be fetched.
    """
    tool = path.startswith(API + "mcp")
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        parts.append(message.get("body", b""))
        size, more = size + len(parts[-1]), message.get("more_body", False)
        if size > (MAX_TOOL if tool else MAX_CALL):
            raise Refused(413, "The request is too large.")
    body = b"".join(parts)
    check_body(body, tool)
    begun = False

    async def again() -> Message:
        nonlocal begun
        if begun:
            return await receive()
        begun = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def check_body(body: bytes, tool: bool = False) -> None:
    """Raise Refused for a body that must not reach Gradio; an empty one may. ``tool``: it calls one of MCP's."""
    if not body.strip():
        return
    try:
        content = json.loads(body)
    except RecursionError:
        raise Refused(400, "The request is nested too deeply.") from None
    except ValueError:
        raise Refused(400, "The request is no JSON.") from None
    for key, value, depth in _leaves(content):
        if depth > MAX_DEPTH:
            raise Refused(400, "The request is nested too deeply.")
        if isinstance(value, str) and ((key == "path" and _ADDRESS.match(value)) or (tool and _WEB.match(value))):
            raise Refused(400, REFUSED)


def _leaves(content: Any) -> Iterator[tuple[str | None, Any, int]]:
    """Key, value and depth of all that is in parsed JSON, without recursion."""
    left: list[tuple[str | None, Any, int]] = [(None, content, 0)]
    while left:
        key, value, depth = left.pop()
        yield key, value, depth
        if isinstance(value, dict):
            left.extend((name, one, depth + 1) for name, one in value.items())
        elif isinstance(value, list):
            left.extend((key, one, depth + 1) for one in value)
