"""What a term is: a frozen dataclass with its weight and numbers, that says what it costs at a step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

if TYPE_CHECKING:
    from ..state import Stage
    from ..step import Step


GIVE_UP = 3
"""A stage ends after so many steps in a row whose losses or gradients were not finite."""


class Term:
    """Base of the terms of both stages. A term is a frozen dataclass with one method: ``losses``, or, if it has to remember something from
    step to step, ``start``.

    Attributes:
        weight: 0: the term is not computed.
        every: it is computed in every so many steps, times so much.
    """

    weight = 1.0
    every = 1

    def losses(self, step: Step, scale: float) -> dict[str, Tensor]:
        """Names, as they stand in reports, and scalars that are added up; ``scale`` is ``weight`` times ``every``."""
        raise NotImplementedError

    def start(self, stage: Stage) -> Loss | None:
        """The term at work in one run; None where it has nothing to say."""
        return Loss(self)


class Loss:
    """A term at work in one run of a stage. Subclasses remember what is the same in many steps."""

    def __init__(self, term: Term):
        self.term, self.scale = term, term.every * term.weight

    def renew(self, step: Step) -> None:
        """Called in each step before anything is rendered for it."""

    def losses(self, step: Step) -> dict[str, Tensor]:
        """As ``Term.losses`` has them."""
        return self.term.losses(step, self.scale)

    def finished(self, step: Step, losses: dict[str, Tensor]) -> bool:
        """Whether the stage may end after this step, whose ``losses`` these are."""
        return False

    def report(self) -> dict[str, Any]:
        """Entries for the report, at the end of the stage."""
        return {}


def start_terms(terms: Iterable[Term], stage: Stage) -> list[Loss]:
    """Those that have a weight and something to say."""
    return [loss for term in terms if term.weight and (loss := term.start(stage)) is not None]


def add_up(losses: Sequence[Loss], step: Step) -> dict[str, Tensor]:
    """The losses of a step, weighted."""
    found: dict[str, Tensor] = {}
    for loss in losses:
        if step.number % loss.term.every == 0:
            found |= loss.losses(step)
    return found


class Descent:
    """Steps of an optimiser down the sum of the losses. A step whose losses or gradients are not finite is not taken, so that what is
    optimised stays at its last good state.

    Attributes:
        skipped: steps that were not taken, in all.
    """

    def __init__(self, losses: Sequence[Loss], optimizer: Optimizer):
        self._losses, self._optimizer = losses, optimizer
        self.skipped = self._in_a_row = 0

    def descend(self, step: Step) -> dict[str, Tensor]:
        """One step; returns its losses, those that are finite."""
        for loss in self._losses:
            loss.renew(step)
        _ = step.view  # rendered first, whichever term asks for it: renders share the random numbers of the run
        found = add_up(self._losses, step)
        self._optimizer.zero_grad()
        total = cast(Tensor, sum(found.values()))
        total.backward()
        if self._finite(total):
            self._optimizer.step()
            self._in_a_row = 0
            return found
        self.skipped, self._in_a_row = self.skipped + 1, self._in_a_row + 1
        return {name: value for name, value in found.items() if value.isfinite()}

    def _finite(self, total: Tensor) -> bool:
        """Whether the loss and all gradients are; the answer is waited for once."""
        weights = [weight for group in self._optimizer.param_groups for weight in group["params"]]
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        # A sum of absolute values is not finite if one of them is not: several times faster than isfinite, which makes a mask first.
        return bool(torch.stack([total.detach(), get_total_norm(gradients, 1.0)]).isfinite().all())

    def ends(self, step: Step, found: dict[str, Tensor]) -> bool:
        """Whether the stage ends after this step: a term says so, or ``GIVE_UP`` steps in a row were not finite."""
        if self._in_a_row:
            return self._in_a_row >= GIVE_UP
        return any(loss.finished(step, found) for loss in self._losses)
