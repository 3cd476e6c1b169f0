"""What a term is: a frozen dataclass with its weight and numbers, that says what it costs at a step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor
from torch.optim import Optimizer

if TYPE_CHECKING:
    from ..state import Stage
    from ..step import Step


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


def descend(losses: Sequence[Loss], step: Step, optimizer: Optimizer) -> dict[str, Tensor]:
    """One step of the optimiser down the sum of the losses; returns them."""
    for loss in losses:
        loss.renew(step)
    _ = step.view  # rendered first, whichever term asks for it: renders share the random numbers of the run
    found = add_up(losses, step)
    optimizer.zero_grad()
    sum(found.values()).backward()
    optimizer.step()
    return found
