"""Many photos to heads: each once, by one process, several, or a Ray cluster."""

from .run import run_batch
from .workers import Workers

__all__ = ["Workers", "run_batch"]
