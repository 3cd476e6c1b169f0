"""What long work reports: the page, the progress bar and the tests read the same records."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

PREVIEW_EVERY = 5
"""Steps between pictures in the event stream."""


@dataclass(frozen=True, eq=False)
class Event:
    """One step of long work.

    Attributes:
        stage: "guess" (where the method begins at the encoder's guess), "pivot" or "tuning".
        step, total: steps done and planned in this stage.
        losses: name to value.
        preview: uint8 ``[H, W, 3]`` of the photo's view as it is now (in the stage "guess" the head from three sides, in "pivot"
            after it the same head turning), or None.
        skipped: steps of this stage so far that were not taken, because a loss or a gradient was not finite.
    """

    stage: str
    step: int
    total: int
    losses: dict[str, float] = field(default_factory=dict)
    preview: np.ndarray | None = None
    skipped: int = 0
