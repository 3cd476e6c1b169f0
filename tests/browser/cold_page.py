"""``app.py`` without warming up: what no test of a photo's run needs, and what takes a core for as long as a few tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import app  # noqa: E402
from demo import Studio  # noqa: E402

if __name__ == "__main__":
    Studio.warm_up = lambda self: None
    app.main()
