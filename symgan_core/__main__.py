"""``python -m symgan_core``."""

import os

# Both must be set before torch is imported: spinning threads cost up to 20 times beside another busy process, and glibc
# gives large temporaries back to the kernel at every step otherwise.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
if "MALLOC_TRIM_THRESHOLD_" not in os.environ and os.environ.get("SYMGAN_NO_REEXEC") is None:
    import sys

    os.environ |= {"MALLOC_MMAP_THRESHOLD_": "1073741824", "MALLOC_TRIM_THRESHOLD_": "2147483648",
                   "MALLOC_TOP_PAD_": "67108864", "SYMGAN_NO_REEXEC": "1"}
    os.execv(sys.executable, [sys.executable, "-m", "symgan_core", *sys.argv[1:]])

from .cli import main

raise SystemExit(main())
