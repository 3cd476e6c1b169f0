"""Every sentence that the user sees. They lie in ``languages``, one file a language; English is the reference, and what a file lacks.

``texts.GO`` is for a component that is being built: Gradio translates it in the browser, with what ``I18N`` tells it. ``of(request).DONE``
is a sentence in the language of a visitor's request, for what handlers make; ``ENGLISH.DONE`` is for programs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gradio as gr

FOLDER = Path(__file__).with_name("languages")
LANGUAGES = sorted(path.stem for path in FOLDER.glob("*.json"))
TITLE = "symgan"


class Texts:
    """All sentences of one language, as attributes by their keys."""

    def __init__(self, language: str):
        self.language = language
        self.said = _filled(_read("en"), _read(language))

    def __getattr__(self, key: str) -> Any:
        if key in self.__dict__.get("said", {}):
            return self.said[key]
        raise AttributeError(f"there is no text '{key}' in {FOLDER / 'en.json'}")


def language(accepted: str) -> str:
    """The language for an Accept-Language header: the visitor's first choice if the page speaks it, or English.

    Only the first choice counts, as it does in the browser, where Gradio translates what handlers do not make: a page in two languages
    would be worse than one in English. It knows Chinese as zh-CN and zh-TW.
    """
    wanted = max(_choices(accepted), key=lambda choice: choice[1], default=("en", 1.0))[0].lower()
    base = wanted.split("-")[0]
    return base if base in LANGUAGES and (base != "zh" or wanted in ("zh-cn", "zh-tw")) else "en"


def of(request: gr.Request) -> Texts:
    """The sentences for a visitor, by the languages that his browser asks for."""
    return SPOKEN[language(request.headers.get("accept-language", ""))]


def _choices(accepted: str) -> list[tuple[str, float]]:
    """Language tags of an Accept-Language header with their weights, without those that are refused or cannot be read."""
    choices = []
    for part in accepted.split(","):
        tag, _, weight = part.partition(";")
        name, _, number = weight.partition("=")
        try:
            share = float(number) if name.strip().lower() == "q" else 1.0
        except ValueError:
            continue
        if tag.strip() and 0 < share <= 1:
            choices.append((tag.strip(), share))
    return choices


def _read(language: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8"))


def _filled(reference: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    return {key: _filled(text, own.get(key, {})) if isinstance(text, dict) else own.get(key, text) for key, text in reference.items()}


def _flat(said: dict[str, Any], before: str = "") -> dict[str, str]:
    """Texts by the keys under which the browser knows them: "GO", "PRESETS.fast"."""
    out: dict[str, str] = {}
    for key, text in said.items():
        out |= _flat(text, f"{before}{key}.") if isinstance(text, dict) else {before + key: text}
    return out


def _labels(said: dict[str, Any], before: str = "") -> dict[str, Any]:
    """The same texts as references, which the browser replaces: one at most in each string that a component is given."""
    return {key: _labels(text, f"{before}{key}.") if isinstance(text, dict) else str(I18N(before + key)) for key, text in said.items()}


SPOKEN = {language: Texts(language) for language in LANGUAGES}
ENGLISH = SPOKEN["en"]
I18N = gr.I18n(**{language: _flat(spoken.said) for language, spoken in SPOKEN.items()})
_LABELS = _labels(ENGLISH.said)


def __getattr__(key: str) -> Any:
    if key in _LABELS:
        return _LABELS[key]
    raise AttributeError(f"there is no text '{key}' in {FOLDER / 'en.json'}")
