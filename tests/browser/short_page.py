"""``app.py`` with runs of fewer steps: all that a user sees of a run, and a head that is his."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import app  # noqa: E402
from symgan_core.inversion import PRESETS  # noqa: E402

if __name__ == "__main__":
    PRESETS["fast"] = (14, 10)
    app.main()
