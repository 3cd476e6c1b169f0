"""The languages: complete, alike in what they fill in, and chosen by what a browser asks for."""

import ast
import json
import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from types import SimpleNamespace
from typing import Any

import pytest

from demo import texts
from demo.gallery import list_examples
from demo.share import DAYS
from demo.shown import told, which_face
from symgan_core.errors import PhotoError
from symgan_core.faces import MOST_FACES
from symgan_core.faces.advice import SENTENCES
from symgan_core.inversion import PRESETS as WORK
from symgan_core.inversion import PhotoRequest
from symgan_core.portrait.editing import DIRECTIONS, PRESETS

from .serving import studio_in

DEMO = Path(texts.__file__).parent
OWN_NAMES = {"EXAMPLES", "LINK", "DOWNLOADS", "PROVIDER"}
"""What may read alike in two languages."""


def flat(said: dict[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for key, text in said.items():
        yield from flat(text, f"{before}{key}.") if isinstance(text, dict) else [(before + key, text)]


def fields(text: str) -> list[tuple[str, str]]:
    return sorted((name, spec) for _, name, spec, _ in Formatter().parse(text) if name is not None)


def read(language: str) -> dict[str, Any]:
    return json.loads((texts.FOLDER / f"{language}.json").read_text(encoding="utf-8"))


def asking(header: str | None) -> texts.Texts:
    return texts.of(SimpleNamespace(headers={} if header is None else {"accept-language": header}))


@pytest.mark.parametrize("language", ["de", "es", "fr", "ja", "zh"])
def test_a_language_is_complete_and_fills_in_the_same(language: str) -> None:
    english, own = dict(flat(read("en"))), dict(flat(read(language)))
    assert list(own) == list(english)
    for key, text in own.items():
        assert text.strip() == text and text and "__i18n__" not in text, key
        assert fields(text) == fields(english[key]), key
    same = {key for key in own if own[key] == english[key] and key.split(".")[0] not in OWN_NAMES}
    assert len(same) < 8, same


def test_languages_are_those_of_the_files() -> None:
    assert texts.LANGUAGES == ["de", "en", "es", "fr", "ja", "zh"] == sorted(texts.I18N.translations_dict)


def test_every_text_is_used_and_every_used_text_is_there() -> None:
    used = set()
    for path in DEMO.glob("*.py"):
        used |= set(re.findall(r"\b(?:texts(?:\.ENGLISH)?|said|ENGLISH|of\(request\))\.([A-Z][A-Z_0-9]+)\b", path.read_text()))
    assert used - {"ENGLISH", "TITLE", "I18N"} == set(read("en"))


def test_labels_are_for_components_alone() -> None:
    """The browser translates neither toasts nor what is filled in."""
    for path in DEMO.glob("*.py"):
        for line in path.read_text().splitlines():
            if re.search(r"\btexts\.(?!ENGLISH|TITLE|Texts)[A-Z]", line):
                assert not re.search(r"gr\.(Error|Warning|Info)|\.format\(|RequestError|PhotoError", line), line


def test_what_code_looks_up_has_a_text() -> None:
    said = texts.ENGLISH
    assert {d.name: {"label": d.label, "hint": d.hint} for d in DIRECTIONS} == said.DIRECTIONS
    assert {d.group.lower().replace(" ", "-"): d.group for d in DIRECTIONS} | {"components": "Components"} == said.GROUPS
    assert said.RESETS.keys() == said.GROUPS.keys() and said.EXPRESSIONS.keys() == PRESETS.keys()
    assert said.ADVICE == SENTENCES and {e.name: e.title for e in list_examples()} == said.EXAMPLES
    assert said.PRESETS.keys() == WORK.keys() and [int(days) for days in said.DAYS] == list(DAYS)


def test_what_is_wrong_with_a_photo_is_told_in_every_language() -> None:
    faults, raised = read("en")["FAULTS"], set()
    assert all(key == text for key, text in faults.items())
    for path in (DEMO.parent / "symgan_core" / "faces").rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") in ("PhotoError", "NoFaceFound"):
                said = [arg.value for arg in call.args if isinstance(arg, ast.Constant)]
                if len(said) == len(call.args):  # others name a path of the command line's
                    raised.add(" ".join(said))
    assert len(raised) > 12 and raised <= faults.keys(), raised - faults.keys()
    small = PhotoError("The picture has only {width} x {height} pixels.", "Use one of at least {least} pixels a side.",
                       width=8, height=9, least=64)
    assert str(small) == "The picture has only 8 x 9 pixels. Use one of at least 64 pixels a side."
    assert told(small, texts.SPOKEN["de"]) == "Das Bild hat nur 8 x 9 Pixel. Nehmen Sie eines mit mindestens 64 Pixeln je Seite."
    assert str(pickle.loads(pickle.dumps(small))) == str(small)


def test_what_a_file_lacks_is_english() -> None:
    assert texts._filled({"A": "a", "B": {"c": "c", "d": "d"}}, {"B": {"d": "D"}, "E": "e"}) == {"A": "a", "B": {"c": "c", "d": "D"}}
    with pytest.raises(AttributeError, match="no text 'NOTHING'"):
        _ = texts.ENGLISH.NOTHING
    with pytest.raises(AttributeError, match="no text 'NOTHING'"):
        _ = texts.NOTHING


@pytest.mark.parametrize("header, language", [
    ("de-DE,de;q=0.9,en;q=0.8", "de"), ("ja", "ja"), ("en-GB", "en"), ("FR-ca", "fr"), ("es-419", "es"),
    ("en;q=0.3, fr;q=0.9 , de;q=0.5", "fr"), ("en;q=0.5,ja", "ja"), ("fr;q=0.8,de;q=0.8", "fr"), ("de;q=0,fr;q=0.1", "fr"),
    ("zh-CN,zh;q=0.9", "zh"), ("zh-TW", "zh"), ("zh-HK", "en"),  # as Gradio does in the browser
    ("sv-SE,de;q=0.5", "en"), ("pt", "en"), ("*", "en"), ("", "en"), (None, "en"), ("de;q=x", "en"), (";;,,=;q", "en"), ("../de", "en"),
    ("de;q=nan", "en"), ("de;q=7,es", "es"), ("den", "en")])
def test_the_first_choice_is_taken_where_it_is_spoken(header: str | None, language: str) -> None:
    assert asking(header).language == language and asking(header) is texts.SPOKEN[language]


def test_labels_are_known_to_the_browser() -> None:
    key = json.loads(texts.PRESETS["fast"].removeprefix("__i18n__"))["key"]
    assert texts.I18N.translations_dict["de"][key] == "Schnell" and texts.I18N.translations_dict["en"][key] == "Fast"
    assert texts.I18N.translations_dict["ja"]["GO"] == texts.SPOKEN["ja"].GO


def test_who_gets_a_full_list_of_faces_hears_of_its_limit() -> None:
    german = texts.SPOKEN["de"]
    limit = german.FACES_MOST.format(most=MOST_FACES)
    listed = [which_face([None] * count, 0, german) for count in (1, MOST_FACES - 1, MOST_FACES)]
    assert [limit in line for line in listed] == [False, False, True] and str(MOST_FACES) in limit and listed[0] == ""


def test_handlers_speak_the_language_that_they_are_given(tmp_path) -> None:
    studio = studio_in(tmp_path)
    german, japanese = texts.SPOKEN["de"], texts.SPOKEN["ja"]
    assert german.PHOTO_GONE in studio.check(str(tmp_path / "gone.png"), PhotoRequest(0), "s", german).status
    assert list(studio.invert(str(tmp_path / "gone.png"), "fast", PhotoRequest(0), "s", german))[-1].failed == german.PHOTO_GONE
    assert "ヌール" in studio.open_example_named("noor", "s", japanese).status
    assert list(studio.refilm("s", "gone", "white", {}, german))[-1].failed == german.EXPIRED
    number = studio.open_example(0, "s").portrait_id
    assert list(studio.film_expression("s", number, "white", {}, german))[-1].failed == german.NO_EXPRESSION
