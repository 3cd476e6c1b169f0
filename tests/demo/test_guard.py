"""No request makes the server fetch an address or read a file of its own, and none is answered with a traceback."""

import asyncio
import importlib.util
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import gradio as gr
import httpx
import pytest
from gradio import processing_utils, route_utils

from demo import Studio, texts
from demo.api import Calls, plain_errors
from demo.gallery import EXAMPLES
from demo.guard import MAX_CALL, MAX_UPLOAD, Refused, check_body

from .serving import client_of, served, studio_in

META = {"_type": "gradio.FileData"}


@pytest.fixture(scope="module")
def studio(tmp_path_factory) -> Studio:
    return studio_in(tmp_path_factory.mktemp("guard"))


@pytest.fixture(scope="module")
def page(studio: Studio) -> Iterator[gr.Blocks]:
    with served(studio, show_error=False, run_history=False, max_file_size="32mb") as page:
        yield page


@pytest.fixture(scope="module")
def client(page: gr.Blocks) -> httpx.Client:
    return client_of(page)


@pytest.fixture
def bait(monkeypatch) -> Iterator[tuple[str, list[str]]]:
    """A server that must not be asked, the requests that it got, and Gradio's fetching functions, which must not be called either."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args) -> None:
            pass

    def fetched(url: str, *rest, **named):
        asked.append(url)
        raise OSError("fetched")

    for module, name in ((processing_utils, "async_ssrf_protected_download"), (processing_utils, "async_ssrf_protected_get"),
                         (processing_utils, "ssrf_protected_download"), (route_utils.safehttpx, "async_validate_url")):
        monkeypatch.setattr(module, name, fetched)
    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def event(client: httpx.Client, name: str, data: object) -> str:
    """What a call is answered with, whether at once or by its event."""
    answer = client.post(f"/gradio_api/call/{name}", content=data if isinstance(data, bytes) else json.dumps({"data": data}),
                         headers={"content-type": "application/json"})
    if answer.status_code != 200 or "event_id" not in answer.text:
        return answer.text
    return client.get(f"/gradio_api/call/{name}/{answer.json()['event_id']}").text


def test_files_by_address_are_refused_without_a_fetch(client: httpx.Client, bait) -> None:
    home, asked = bait
    for address in (f"{home}/a.png", "https://example.com/a.png", " HTTP://example.com/a.png", "file:///etc/passwd", "ftp://example.com/a"):
        for file in ({"path": address, "meta": META}, {"path": address, "meta": META, "is_stream": True}):
            for name, data in (("invert", [file, "fast", 0]), ("render", [file]), ("edit", ["ada", {"smile": file}]),
                               ("export", ["ada", [file]])):
                assert "not fetched" in event(client, name, data)
    join = {"data": [{"path": f"{home}/b.png", "meta": META}, 1], "fn_index": 0, "session_hash": "s"}
    for path in ("queue/join", "run/invert", "api/invert", "call/v2/invert"):
        assert client.post(f"/gradio_api/{path}", json=join).status_code == 400
    for path in (f"file={home}/c", "file=https://example.com/c", f"file/{home}/c", f"proxy={home}/c", "proxy=https://x.hf.space/c"):
        assert client.get(f"/gradio_api/{path}").status_code == 403
        assert client.get(f"/gradio_api/{path.replace(':', '%3a')}").status_code == 403
    assert not asked


def test_an_address_beside_the_path_of_an_upload_is_not_followed(client: httpx.Client, bait) -> None:
    home, asked = bait
    path = client.post("/gradio_api/upload", files={"files": ("a.png", b"no picture")}).json()[0]
    text = event(client, "invert", [{"path": path, "url": f"{home}/u.png", "orig_name": "../../a.png", "meta": META}, "fast", 0])
    assert "not a picture" in text and not asked and not Path(path).exists()


@pytest.mark.skipif(importlib.util.find_spec("mcp") is None, reason="needs gradio[mcp]")
def test_tools_take_no_addresses_either(client: httpx.Client, bait) -> None:
    home, asked = bait
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "invert", "arguments": {"photo": f"{home}/m.png"}}}
    answer = client.post("/gradio_api/mcp/", json=call, headers={"accept": "application/json, text/event-stream"})
    assert answer.status_code == 400 and "data address" in answer.text and not asked


def test_paths_of_the_server_are_refused(client: httpx.Client, studio: Studio, tmp_path: Path) -> None:
    own = tmp_path / "own.png"
    own.write_bytes((EXAMPLES / "noor" / "input.png").read_bytes())
    work = studio.settings.visiting.work
    for path in (str(own), "/etc/passwd", "/proc/self/environ", f"{work}/../own.png", str(work), "", "\0", "~/x", "app.py", "..",
                 "//etc/passwd"):
        text = event(client, "invert", [{"path": path, "meta": META}, "fast", 0])
        assert "error" in text and "root:" not in text and "Traceback" not in text and str(tmp_path) not in text
    for path in ("/etc/passwd", str(own), "app.py", "demo/api.py", f"{work}/../own.png", f"{work}/%2e%2e/own.png",
                 str(studio.settings.sharing.shares)):
        assert client.get(f"/gradio_api/file={path}").status_code in (403, 404)


STRANGE = (None, True, -1, 1e308, 2**70, float("nan"), float("inf"), "", "x" * 5000, "a\nb", "../..", [], [1], {}, {"a": 1}, "\0", "\ud800")


def requests(value: object) -> list[tuple[str, list]]:
    """Calls with a strange value in each place, of those that are left out none that would be filmed."""
    some = value or 5
    return [("render", [value, 0, 0, 1, "white", None]), ("render", ["ada", value, 0, 1, "white", None]),
            ("render", ["ada", 0, 0, value, "white", None]), ("render", ["ada", 0, 0, 1, value, None]), ("edit", ["ada", value]),
            ("edit", ["ada", {"smile": value}]), ("edit", ["ada", {str(value): 9}]), ("export", ["ada", some, 64, "white"]),
            ("export", ["ada", "gif", some, "white"]), ("export", [value, "nothing", 64, value]), ("invert", [None, value, value])]


@pytest.mark.slow
def test_arguments_of_every_type_are_one_line(studio: Studio) -> None:
    for name, data in (request for value in STRANGE for request in requests(value)):
        if name != "invert" and (None in data[:-1] or data[1:] in ([{}], [{"smile": -1}]) or -1 in data[1:] or "" in data[1:]):
            continue  # would be drawn
        try:
            plain_errors(getattr(Calls(studio), name))(*data)
        except gr.Error as error:
            assert error.message.isprintable() and 20 < len(error.message) < 500, (name, data)
            assert error.message != texts.ENGLISH.BROKEN, (name, data)


def test_gradio_hands_strange_arguments_to_us(client: httpx.Client) -> None:
    for value in ("x" * 5000, float("nan"), [1]):
        for name, data in requests(value)[1:4] + requests(value)[7:]:
            answer = event(client, name, json.dumps({"data": data}).encode())
            told = [json.loads(line[6:]) for line in answer.splitlines() if line.startswith("data: ")]
            assert "event: error" in answer and len(told) == 1 and 20 < len(told[0]["error"]) < 500, (name, data)


def test_wrong_numbers_of_arguments_and_no_arguments_tell_nothing(client: httpx.Client) -> None:
    for data in ([], [None] * 50, {}, "x", 5, None):
        answer = event(client, "render", data)
        assert "Traceback" not in answer and "File " not in answer and len(answer) < 400
    for body in (b"{}", b"[]", b"5", b'"x"', b"null", b'{"fn_index": 9999, "data": []}', b'{"session_hash": {"a": 1}, "data": []}'):
        for path in ("queue/join", "call/render", "run/render", "cancel", "reset"):
            answer = client.post(f"/gradio_api/{path}", content=body, headers={"content-type": "application/json", "connection": "close"})
            assert "Traceback" not in answer.text and "site-packages" not in answer.text
    for path in ("/visit/..%2f..%2fx/left", "/visit/%00/here", "/share/..%2f..%2fapp.py.jpg", "/share/%ff.jpg", "/?r[]=1",
                 "/?r=%00&example=../../app.py", "/?r=" + "A" * 5000):
        answer = client.post(path) if "visit" in path else client.get(path)
        assert answer.status_code in (200, 204, 404) and "Traceback" not in answer.text


def test_bodies_are_limited_and_have_to_be_json(client: httpx.Client) -> None:
    deep = b"[" * 50 + b"]" * 50
    for body, status in ((b"x" * (MAX_CALL + 1), 413), (b"{", 400), (b"\xff\xfe", 400), (b"[" * 100_000, 400), (deep, 400)):
        answer = client.post("/gradio_api/queue/join", content=body)
        assert answer.status_code == status and "\n" not in answer.text and len(answer.text) < 200
    assert client.post("/gradio_api/process_recording", files={"file": b"x"}).status_code == 400
    check_body(b"")
    check_body(json.dumps({"data": ["http://a", {"url": "http://a", "path": "C:\\a.png"}]}).encode())
    with pytest.raises(Refused):
        check_body(json.dumps({"data": [{"a": [{"path": "HTTPS://a"}]}]}).encode())


def test_uploads_say_how_long_they_are_and_are_limited(page: gr.Blocks, client: httpx.Client) -> None:
    head = "POST /gradio_api/upload HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    for line, status in ((f"Content-Length: {MAX_UPLOAD + 1}", b"413"), ("Transfer-Encoding: chunked", b"411")):
        with socket.create_connection(("127.0.0.1", httpx.URL(page.local_url).port), 30) as raw:
            raw.sendall(f"{head}{line}\r\n\r\n".encode())
            assert raw.recv(100).split()[1] == status


def test_a_client_that_leaves_in_the_midst_of_a_body_harms_nobody() -> None:
    from demo.guard import Guard

    seen: list[str] = []

    async def app(scope, receive, send) -> None:
        seen.append((await receive())["type"])

    async def receive() -> dict:
        return {"type": "http.disconnect"}

    async def send(message) -> None:
        seen.append(message["type"])

    scope = {"type": "http", "method": "POST", "path": "/gradio_api/queue/join", "headers": []}
    asyncio.run(Guard(app)(scope, receive, send))
    assert seen == ["http.request"]
