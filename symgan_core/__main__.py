"""``python -m symgan_core``."""

import os

# Before torch is imported: spinning threads cost up to 20 times beside another busy process.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from .cli import main
from .memory import keep_freed_memory

keep_freed_memory()
raise SystemExit(main())
