"""Many photos to heads: each once, by one process, several, or a Ray cluster."""

from .crews import Crew
from .run import run_batch

__all__ = ["Crew", "run_batch"]
