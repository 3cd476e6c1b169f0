"""``python -m symgan_core``."""

import os
import sys

# Before torch is imported. GNU's OpenMP: a thread that waits spins for some ten microseconds, then sleeps. Without spinning, each parallel
# step pays for waking the others; with more of it, all goes ten times slower beside another busy process. "passive" would forbid spinning
# where a process has more threads than there are cores, as the page's has. Other systems' OpenMP would spin for ever if "active".
os.environ.setdefault("OMP_WAIT_POLICY", "active" if sys.platform == "linux" else "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

from .cli import main
from .memory import keep_freed_memory

keep_freed_memory()
raise SystemExit(main())
