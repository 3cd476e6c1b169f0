"""A visitor without a browser: the requests that the page's scripts send, for many visitors at once.

It asks for the page, uploads, and joins Gradio's queue with the number of an event, as a browser does; what the server answers becomes the
values of the components, which the next event sends back. It draws nothing, and fetches the films and strips that a browser would.
"""

from __future__ import annotations

import json
import re
import secrets
from pathlib import Path
from typing import Any

import httpx

PAGE, UPLOAD, JOIN, LISTEN, FILE = "/", "/gradio_api/upload", "/gradio_api/queue/join", "/gradio_api/queue/data", "/gradio_api/file="
_CONFIG = re.compile(r"window\.gradio_config = (.*?);</script>", re.DOTALL)
_LINK = re.compile(r"[?&]r=([\w-]+)")


class Failed(Exception):
    """What the page answered an event with, in one line."""


class Visitor:
    """One visit of the page at ``url``; ``share``: the id of a link that is followed. ``timeout``: seconds without a word of the server.

    What a visitor does raises ``Failed`` where the page says no, and ``httpx.HTTPError`` where nobody answers.
    """

    def __init__(self, url: str, share: str | None = None, timeout: float = 300):
        self.session = secrets.token_hex(6)
        self._query = {"r": share} if share else {}
        self._http = httpx.Client(base_url=url, trust_env=False, timeout=timeout)
        answer = self._http.get(PAGE, params=self._query)
        found = _CONFIG.search(answer.text)
        if answer.status_code != 200 or not found:
            raise Failed(f"the page answered {answer.status_code}")
        config = json.loads(found[1])
        self.values = {one["id"]: one["props"].get("value") for one in config["components"]}
        self._named = {one["props"]["elem_id"]: one["id"] for one in config["components"] if one["props"].get("elem_id")}
        self._events = config["dependencies"]

    # -- what a visitor does ----------------------------------------------------------------------------------------

    def arrive(self) -> None:
        """What the page does by itself once it is open: a head is shown, and the page says that it is there."""
        for event in self._events:
            if any(kind == "load" for _, kind in event["targets"]):
                self._run(event, None)
        self._see()

    def open_example(self, number: int) -> None:
        """A click on a picture of the gallery, until its head can be turned."""
        self.fire("gallery", "select", {"index": number, "value": None, "selected": True})
        self._see()

    def slide(self, name: str, value: float) -> None:
        """Another value of a slider of the edits, until a draft of the head is there."""
        self.values[self._named[f"edit-{name}"]] = value
        self.fire(f"edit-{name}", "input")

    def upload(self, photo: Path) -> None:
        """A photo, until the page has said which face it will take."""
        answer = self._http.post(UPLOAD, files={"files": (photo.name, photo.read_bytes(), "image/png")})
        if answer.status_code != 200:
            raise Failed(f"the upload was answered {answer.status_code}")
        self.values[self._named["photo"]] = {"path": answer.json()[0], "orig_name": photo.name, "meta": {"_type": "gradio.FileData"}}
        self.fire("photo", "change")

    def invert(self) -> None:
        """The button that starts, until the head is there."""
        self.fire("go", "click")
        self._see()

    def share(self) -> str:
        """A link to the head on the stage; its id."""
        self.fire("share", "click")
        return self._id_of(self.values[self._named["link"]])

    def unshare(self) -> str:
        """Delete the link that was made last; its id."""
        share_id = self._id_of(self.values[self._named["link-choice"]])
        self.fire("unshare", "click")
        return share_id

    def leave(self) -> None:
        """Close the page."""
        self._http.post(f"/visit/{self.session}/left")
        self._http.close()

    # -- how it is done ---------------------------------------------------------------------------------------------

    def fire(self, name: str, kind: str, told: dict[str, Any] | None = None) -> None:
        """An event of the component with the element's id ``name``, and those that follow it; ``told``: what it says of itself."""
        number = self._named[name]
        for event in self._events:
            if [number, kind] in [list(target) for target in event["targets"]]:
                self._run(event, told)

    def _run(self, event: dict[str, Any], told: dict[str, Any] | None) -> None:
        if event["backend_fn"]:
            body = {"data": [self.values.get(number) for number in event["inputs"]], "event_data": told, "fn_index": event["id"],
                    "trigger_id": event["targets"][0][0] if event["targets"] else None, "session_hash": self.session}
            answer = self._http.post(JOIN, params=self._query, json=body)
            if answer.status_code != 200:
                raise Failed(_detail(answer))
            self._take(event["outputs"], self._listen(answer.json()["event_id"]))
        for other in self._events:
            if other.get("trigger_after") == event["id"]:
                self._run(other, None)

    def _listen(self, event_id: str) -> list[Any]:
        """What an event gives in the end."""
        with self._http.stream("GET", LISTEN, params={"session_hash": self.session}) as stream:
            for line in stream.iter_lines():
                said = json.loads(line.removeprefix("data: ")) if line.startswith("data: ") else {}
                if said.get("msg") in ("unexpected_error", "Server stopped unexpectedly."):
                    raise Failed(str(said.get("message")))
                if said.get("msg") == "process_completed" and said.get("event_id") == event_id:
                    if not said["success"]:
                        raise Failed(str(said["output"].get("error")))
                    return said["output"].get("data") or []
        raise Failed("the page ended the stream before its event")

    def _take(self, outputs: list[int], data: list[Any]) -> None:
        for number, value in zip(outputs, data, strict=False):
            if isinstance(value, dict) and value.get("__type__") == "update":
                if "value" in value:
                    self.values[number] = value["value"]
            else:
                self.values[number] = value

    def _see(self) -> None:
        """Fetch the strip of the head on the stage; a page that shows an error instead has none."""
        shown = self.values[self._named["viewer"]]
        status = str(self.values[self._named["status"]])
        if "sg-error" in status:
            raise Failed(re.sub(r"<[^>]+>", "", status).strip())
        for name in ("coarse", "strip"):
            file = shown.get(name) if isinstance(shown, dict) else None
            if isinstance(file, dict):
                answer = self._http.get(FILE + file["path"])
                if answer.status_code != 200:
                    raise Failed(f"the {name} of a head was answered {answer.status_code}")

    @staticmethod
    def _id_of(address: Any) -> str:
        found = _LINK.search(str(address or ""))
        if not found:
            raise Failed("the page gave no link")
        return found[1]


def _detail(answer: httpx.Response) -> str:
    try:
        content = answer.json()
    except ValueError:
        return f"the call was answered {answer.status_code}"
    return str(content.get("detail") or content.get("error"))
