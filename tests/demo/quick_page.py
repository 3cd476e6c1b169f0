"""``app.py`` with runs of two steps a stage and films of eight frames: what a run does stays the same, and is over in seconds."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import app  # noqa: E402
from demo import making, work  # noqa: E402
from symgan_core.inversion import PRESETS  # noqa: E402

if __name__ == "__main__":
    PRESETS["fast"] = (2, 2)
    work.FRAMES = making.FRAMES = 8
    app.main()
