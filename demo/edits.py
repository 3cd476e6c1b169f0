"""The editing sliders: in groups, each with its own reset; buttons for expressions. Which slider is which, everybody asks here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import gradio as gr

from symgan_core.portrait.editing import PRESETS, Direction
from symgan_core.portrait.editing.directions import EXPRESSION

from . import texts


@dataclass(frozen=True)
class Setter:
    """A button that puts some sliders at ``strengths``; the others stay."""

    button: gr.Button
    strengths: dict[str, float]


@dataclass(frozen=True)
class EditBlock:
    """What ``edit_block`` made: ``sliders`` by the names of their directions, in the order in which handlers get their values."""

    sliders: dict[str, gr.Slider]
    setters: list[Setter]

    def named(self, values: Sequence[float]) -> dict[str, float]:
        """Strengths by name, from the values of all sliders."""
        return dict(zip(self.sliders, values, strict=True))

    def at(self, strengths: Mapping[str, float]) -> dict[gr.Slider, float]:
        """What a handler returns to put sliders at strengths."""
        return {self.sliders[name]: strength for name, strength in strengths.items()}


def edit_block(directions: Sequence[Direction]) -> EditBlock:
    """Sliders of all directions, those of a group together; the first group is open."""
    groups = list(dict.fromkeys(d.group for d in directions))
    made: dict[str, gr.Slider] = {}
    setters: list[Setter] = []
    for group in groups:
        key = (group or "components").lower().replace(" ", "-")
        own = [d for d in directions if d.group == group]
        zeros = {d.name: 0.0 for d in own}
        with gr.Accordion(texts.GROUPS[key], open=group == groups[0], elem_id=f"group-{key}"):
            if group == EXPRESSION:
                setters += _expressions(zeros)
            with gr.Row():
                made |= {d.name: _slider(d) for d in own}
            reset = gr.Button(texts.RESETS[key], size="sm", elem_id=f"reset-{key}", elem_classes="sg-reset")
            setters.append(Setter(reset, zeros))
    return EditBlock({d.name: made[d.name] for d in directions}, setters)


def _expressions(zeros: dict[str, float]) -> list[Setter]:
    with gr.Row(elem_classes="sg-expressions"):
        return [Setter(gr.Button(texts.EXPRESSIONS[name], size="sm", min_width=90, elem_id=f"expression-{name}"), zeros | strengths)
                for name, strengths in PRESETS.items()]


def _slider(direction: Direction) -> gr.Slider:
    said = texts.DIRECTIONS.get(direction.name) or {"label": direction.label, "hint": direction.hint}  # a generator may have its own
    return gr.Slider(-direction.limit, direction.limit, 0, step=0.1, label=said["label"], info=said["hint"] or None, min_width=200,
                     elem_id=f"edit-{direction.name}")
