"""What messengers see of an address, and how the page is told that a visitor has left."""

import io
import re
import time
from collections.abc import Iterator

import gradio as gr
import httpx
import pytest
from PIL import Image

from demo import Studio, texts
from demo.cards import Card, with_card
from demo.share import Share
from demo.store import EXAMPLE
from symgan_core.inversion import Portrait3D

from .serving import client_of, served, studio_in
from .test_share import grow_older


@pytest.fixture(scope="module")
def studio(tmp_path_factory) -> Studio:
    return studio_in(tmp_path_factory.mktemp("links"), grace_seconds=60)


@pytest.fixture(scope="module")
def page(studio: Studio) -> Iterator[gr.Blocks]:
    with served(studio) as page:
        yield page


@pytest.fixture(scope="module")
def client(page: gr.Blocks) -> httpx.Client:
    return client_of(page)


@pytest.fixture(scope="module")
def portrait(studio: Studio) -> Portrait3D:
    """The first example, with all that its views need."""
    portrait = studio.portrait(f"{EXAMPLE}{studio.examples[0].name}")
    portrait.render()
    return portrait


@pytest.fixture
def made(studio: Studio, portrait: Portrait3D) -> Share:
    return studio.shares.add(portrait, studio.examples[0].video, 1)


def meta(client: httpx.Client, address: str, **headers: str) -> dict[str, str]:
    answer = client.get(address, headers=headers)
    assert answer.status_code == 200 and int(answer.headers.get("content-length", len(answer.content))) == len(answer.content)
    head = answer.text.split("<script", 1)[0]
    found = re.findall(r'<meta\s+(?:property|name)="([\w:]+)"\s+content="([^"]*)"', head)
    assert len(found) == len(dict(found)) and "Gradio" not in head and "window.gradio_config" in answer.text
    return dict(found)


def test_a_link_has_a_title_and_a_picture_for_messengers(client: httpx.Client, studio: Studio, made: Share) -> None:
    card = meta(client, f"/?r={made.id}", host="heads.example")
    assert card["og:title"] == card["twitter:title"] == texts.ENGLISH.SHARE_TITLE
    assert card["og:description"] and card["og:type"] == "website"
    assert card["og:image"] == card["twitter:image"] == f"http://heads.example/share/{made.id}.jpg"
    assert card["twitter:card"] == "summary_large_image" and card["robots"] == "noindex"
    answer = client.get(f"/share/{made.id}.jpg")
    assert Image.open(io.BytesIO(answer.content)).size == (512, 512) and answer.headers["content-type"] == "image/jpeg"
    assert 0 < int(re.search(r"max-age=(\d+)", answer.headers["cache-control"])[1]) <= 600
    assert studio.shares.delete(made.id, made.token)
    assert client.get(f"/share/{made.id}.jpg").status_code == 404 and "share/gallery" in meta(client, f"/?r={made.id}")["og:image"]


def test_the_picture_of_an_expired_link_is_gone(client: httpx.Client, studio: Studio, made: Share) -> None:
    assert client.get(f"/share/{made.id}.jpg").status_code == 200
    grow_older(studio.settings.sharing.shares, made.id, days=2)
    assert client.get(f"/share/{made.id}.jpg").status_code == 404 and studio.open_share(made.id, "s") is None
    studio.shares.sweep()
    assert not (studio.settings.sharing.shares / made.id).exists()


@pytest.mark.parametrize("bad", ["x", "..%2f..%2fapp", "A" * 22, "A" * 23, "%00"])
def test_no_picture_of_anything_else(client: httpx.Client, bad: str) -> None:
    assert client.get(f"/share/{bad}.jpg").status_code == 404


def test_the_page_itself_has_a_card(client: httpx.Client) -> None:
    for query in ("", "?r=", "?r=%22%3E%3Cscript%3E", "?example=ada", "?__theme=dark"):
        card = meta(client, f"/{query}", host="heads.example")
        assert card["og:title"] == f"{texts.TITLE}: {texts.ENGLISH.TAGLINE}" and card["og:image"] == "http://heads.example/share/gallery.jpg"
        assert "robots" not in card
    picture = Image.open(io.BytesIO(client.get("/share/gallery.jpg").content))
    assert picture.size == (1200, 600) and len(picture.resize((8, 8)).getcolors()) > 16
    assert client.head("/").status_code == 200


def test_addresses_behind_a_proxy_are_the_proxys(client: httpx.Client, page: gr.Blocks, made: Share, monkeypatch) -> None:
    forwarded = {"X-Forwarded-Host": "photos.example", "X-Forwarded-Proto": "https"}
    card = meta(client, f"/?r={made.id}", **forwarded)
    assert card["og:image"] == f"https://photos.example/share/{made.id}.jpg" and card["og:url"] == f"https://photos.example/?r={made.id}"
    for root, wanted in (("/heads", "https://photos.example/heads"), ("https://other.example/h", "https://other.example/h")):
        monkeypatch.setattr(page.app, "root_path", root)  # as GRADIO_ROOT_PATH sets it; the proxy cuts it off
        assert meta(client, f"/?r={made.id}", **forwarded)["og:image"] == f"{wanted}/share/{made.id}.jpg"
        assert client.get(f"/share/{made.id}.jpg").status_code == 200
    strange = meta(client, "/", **{"X-Forwarded-Host": 'a"><b>'})
    assert "<b>" not in strange["og:image"]


def test_all_in_a_card_is_escaped() -> None:
    page = '<head><meta property="og:title" content="Gradio" /><script>x = \'<meta name="twitter:x">\'</script></head>'
    out = with_card(page, Card('"><script>1</script>', "a & <b>", "http://h/?a=1&b=2", None))
    assert out.count("<script>") == 1 and "<b>" not in out and "a &amp; &lt;b&gt;" in out and "Gradio" not in out
    assert out.endswith(page[page.index("<script>"):]) and "og:image" not in out


def test_who_leaves_is_forgotten_at_once_and_who_drops_out_a_little_later(client: httpx.Client, studio: Studio, monkeypatch) -> None:
    now = time.time()

    def after(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: now + seconds)
        studio.forget_lost()

    def here(session: str) -> bool:
        with studio.store._lock:
            return session in studio.store._visitors

    for session in ("leaves", "drops", "returns", "clicks", "stays"):
        studio.touch(session)
    assert client.post("/visit/leaves/left").status_code == 204 and not here("leaves")
    for session in ("drops", "returns", "clicks", "nobody"):
        studio.store.dropped(session)
    after(40)
    assert client.post("/visit/returns/here").status_code == 204
    studio.touch("clicks")
    after(70)
    assert [session for session in ("drops", "returns", "clicks", "stays") if here(session)] == ["returns", "clicks", "stays"]
    after(110)  # nothing more of those who were back for a moment; the connection of the last one never broke
    assert [session for session in ("returns", "clicks", "stays", "nobody") if here(session)] == ["stays"]
    assert client.post("/visit/nobody/here").status_code == 204 and not here("nobody")
    assert client.get("/visit/stays/left").status_code in (404, 405) and here("stays")
