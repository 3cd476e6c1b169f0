"""What programs may call, over HTTP as they do; and that nothing else of the page answers."""

import importlib.util
import json
import shutil
import struct
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import httpx
import imageio.v2 as imageio
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from demo import api, build, texts, work
from demo.api import KINDS, Calls, plain_errors, without_paths
from demo.gallery import EXAMPLES
from demo.handlers import Studio
from demo.store import VisitorLeft
from symgan_core.errors import PhotoError, RequestError
from symgan_core.inversion import PRESETS

from .serving import studio_in

ENDPOINTS = ["/edit", "/export", "/invert", "/render"]


@pytest.fixture(scope="module")
def studio(tmp_path_factory) -> Studio:
    return studio_in(tmp_path_factory.mktemp("api"))


@pytest.fixture(scope="module")
def page(studio: Studio) -> gr.Blocks:
    return build(studio).queue()


@pytest.fixture(scope="module")
def client(page: gr.Blocks, studio: Studio, tmp_path_factory) -> Iterator[Client]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PRESETS, "fast", (2, 2))
        patch.setattr(work, "FRAMES", 8)
        _, address, _ = page.launch(prevent_thread_lock=True, quiet=True, show_error=False,
                                 allowed_paths=[str(studio.settings.visiting.work)],
                                    mcp_server=True, run_history=False, server_name="127.0.0.1")
        yield Client(address, verbose=False, download_files=str(tmp_path_factory.mktemp("got")))
        page.close()


def refusal(client: Client, *args, **named) -> str:
    with pytest.raises(AppError) as caught:
        client.predict(*args, **named)
    text = str(caught.value)
    assert "\n" not in text and "/tmp" not in text and "Traceback" not in text
    return text


def test_four_endpoints_and_no_more(page: gr.Blocks) -> None:
    assert sorted(f"/{fn.api_name}" for fn in page.fns.values() if fn.api_visibility != "private") == ENDPOINTS
    told = page.get_api_info()
    assert sorted(told["named_endpoints"]) == ENDPOINTS and not told["unnamed_endpoints"]
    names = {name: [p["parameter_name"] for p in end["parameters"]] for name, end in told["named_endpoints"].items()}
    assert names == {"/invert": ["photo", "preset", "face"], "/edit": ["portrait_id", "edits"],
                     "/render": ["portrait_id", "yaw", "pitch", "zoom", "background", "edits"],
                     "/export": ["portrait_id", "kind", "size", "background"]}
    for name, end in told["named_endpoints"].items():
        assert "Args:" in getattr(Calls, name[1:]).__doc__ and end["description"]


def test_what_is_private_does_not_answer(client: Client, page: gr.Blocks) -> None:
    private = [number for number, fn in page.fns.items() if fn.api_visibility == "private"]
    assert len(private) > 20
    for number in private[:3]:
        with pytest.raises((AppError, ValueError)):
            client.predict(fn_index=number)


def test_a_photo_becomes_a_head_that_is_turned_edited_and_exported(client: Client, studio: Studio) -> None:
    video, file, report = client.predict(handle_file(EXAMPLES / "noor" / "input.png"), api_name="/invert")
    assert Path(video).suffix == ".mp4" and sum(1 for _ in imageio.get_reader(video)) == 8
    assert Path(file).name == "portrait.safetensors" and report["preset"] == "fast" and report["faces"] == 1
    assert sum(report["origins"].values()) == pytest.approx(1, abs=0.02) and str(studio.settings.visiting.work) not in json.dumps(report)
    number = report["portrait_id"]
    assert not list(studio.settings.visiting.work.rglob("input.webp"))
    side = Image.open(client.predict(number, yaw=30, background="transparent", api_name="/render"))
    assert side.size == (512, 512) and side.mode == "RGBA"
    edited, picture = client.predict(number, {"smile": 2.0}, api_name="/edit")
    front = np.asarray(Image.open(client.predict(number, api_name="/render"))).astype(int)
    smiling = np.asarray(Image.open(picture)).astype(int)
    assert edited != number and np.abs(smiling - front).mean() > 0.1
    again = np.asarray(Image.open(client.predict(number, edits={"smile": 2.0}, api_name="/render"))).astype(int)
    stored = np.asarray(Image.open(client.predict(edited, api_name="/render"))).astype(int)
    assert max(np.abs(again - smiling).mean(), np.abs(stored - smiling).mean()) < 0.5 * np.abs(smiling - front).mean()  # packed once more
    archive = zipfile.ZipFile(client.predict(edited, "zip", 96, "#1f2430", api_name="/export"))
    assert sorted(archive.namelist()) == sorted([*(f"head.{kind}" for kind in KINDS if kind != "zip"), "portrait.safetensors"])
    with archive.open("head.gif") as gif, archive.open("head.png") as png:
        assert Image.open(gif).size == (96, 96) and np.asarray(Image.open(png))[1, 1].tolist() == [31, 36, 48]


def test_an_example_is_called_by_its_name(client: Client) -> None:
    data = Path(client.predict("ada", "glb", api_name="/export")).read_bytes()
    assert struct.unpack_from("<4sII", data) == (b"glTF", 2, len(data))


def test_refusals_are_errors_of_one_plain_line(client: Client, tmp_path: Path) -> None:
    for number in ("nobody", "A" * 22, "../shares", ""):
        assert "no portrait of this id" in refusal(client, number, api_name="/render")
    for edits, said in (({"beauty": 1}, "no editing direction"), ({"smile": 9}, "out of range"), ({"smile": "much"}, "no number"),
                        ([1, 2], "no object")):
        assert said in refusal(client, "ada", edits, api_name="/edit")
    assert "out of range" in refusal(client, "ada", yaw=120, api_name="/render")
    assert "not a colour" in refusal(client, "ada", background="greyish", api_name="/render")
    assert "no kind 'mov'" in refusal(client, "ada", "mov", api_name="/export")
    assert "transparent" in refusal(client, "ada", "gif", 128, "transparent", api_name="/export")
    assert "64 to 512" in refusal(client, "ada", "gif", 4000, api_name="/export")
    text, nobody = tmp_path / "photo.png", tmp_path / "green.png"
    text.write_text("hello")
    Image.new("RGB", (200, 200), (10, 200, 90)).save(nobody)
    assert "not a picture" in refusal(client, handle_file(text), api_name="/invert")
    assert "No face" in refusal(client, handle_file(nobody), api_name="/invert")
    assert "Face 3" in refusal(client, handle_file(EXAMPLES / "noor" / "input.png"), "fast", 3, api_name="/invert")


def test_the_server_reads_no_file_of_its_own(client: Client, tmp_path: Path) -> None:
    """Only what was uploaded, and what is public: a path in the request's body leads nowhere else."""
    shutil.copyfile(EXAMPLES / "noor" / "input.png", tmp_path / "own.png")
    photo = {"path": str(tmp_path / "own.png"), "meta": {"_type": "gradio.FileData"}}
    address = f"{client.src.rstrip('/')}/gradio_api/call/invert"
    event = httpx.post(address, json={"data": [photo, "fast", 0]}).json()["event_id"]
    assert httpx.get(f"{address}/{event}", timeout=60).text.split() == ["event:", "error", "data:", '{"error":', "null}"]


def test_faults_of_ours_show_nothing(caplog) -> None:
    def broken() -> None:
        raise ZeroDivisionError("secret")

    def left() -> None:
        raise VisitorLeft from FileNotFoundError()

    def refused() -> None:
        raise PhotoError("There is no file '/srv/work/a b/me.png'.", "Check the path.")

    with pytest.raises(gr.Error) as caught:
        plain_errors(broken)()
    assert caught.value.message == texts.ENGLISH.BROKEN and "secret" in caplog.text
    caplog.clear()
    with pytest.raises(gr.Error, match="The page closes"):  # at its end, work that is cut is no fault
        plain_errors(left)()
    assert not caplog.text
    with pytest.raises(gr.Error, match="There is no file 'me.png'. Check the path."):
        plain_errors(refused)()
    assert without_paths("'x.mov' is not a film's name.") == "'x.mov' is not a film's name."


def test_an_upload_is_deleted_once_it_is_read(studio: Studio, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(api, "get_upload_folder", lambda: str(tmp_path / "uploads"))
    for folder, stays in ((tmp_path / "uploads", False), (tmp_path / "elsewhere", True)):
        folder.mkdir()
        photo = folder / "photo.png"
        Image.new("RGB", (200, 200)).save(photo)
        with pytest.raises(PhotoError):
            Calls(studio).invert(str(photo))
        assert photo.exists() is stays


def test_results_expire(studio: Studio, monkeypatch) -> None:
    calls = Calls(studio)
    number, picture = calls.edit("noor", {})
    now, minutes = time.time(), 60 * studio.settings.visiting.idle_minutes
    for later in (0.9, 1.8):  # whoever asks for it keeps it
        monkeypatch.setattr(time, "time", lambda later=later: now + later * minutes)
        studio.store.sweep()
        assert Path(calls.render(number)).is_file() and Path(picture).is_file()
    monkeypatch.setattr(time, "time", lambda: now + 2.9 * minutes)
    studio.store.sweep()
    with pytest.raises(RequestError, match="no portrait"):
        calls.render(number)
    assert not list(studio.settings.visiting.work.rglob("*.png"))


def test_results_outlive_the_session_of_their_call(client: Client, studio: Studio) -> None:
    """Not those of the page: a program's connection ends when it likes, and the next call may be another session's."""
    number, _ = client.predict("noor", {"smile": 1}, api_name="/edit")
    studio.forget(client.session_hash)
    assert Image.open(Client(client.src, verbose=False).predict(number, api_name="/render")).size == (512, 512)


def test_results_of_programs_share_the_disk_with_visitors(tmp_path: Path) -> None:
    small = studio_in(tmp_path, work_gigabytes=0)
    calls = Calls(small)
    first, _ = calls.edit("noor", {})
    second, _ = calls.edit("ada", {})
    assert calls.render(second) and small.portrait(first) is None


@pytest.mark.skipif(importlib.util.find_spec("mcp") is None, reason="needs gradio[mcp]")
def test_the_endpoints_are_tools(client: Client, page: gr.Blocks) -> None:
    import asyncio

    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    async def asked() -> tuple[dict, object]:
        async with (streamablehttp_client(f"{client.src.rstrip('/')}/gradio_api/mcp/") as (read, write, _),
                    ClientSession(read, write) as session):
            await session.initialize()
            tools = {tool.name: tool for tool in (await session.list_tools()).tools}
            name = next(name for name in tools if name.endswith("render"))
            return tools, await session.call_tool(name, {"portrait_id": "nobody"})

    tools, answer = asyncio.run(asked())
    assert sorted(name.rpartition("_")[2] or name for name in tools) == [name[1:] for name in ENDPOINTS]
    for tool in tools.values():
        assert tool.description and all(p.get("description") for p in tool.inputSchema["properties"].values())
    assert answer.isError and "no portrait of this id" in str(answer.content)
