"""Scores of inversions against multi-view ground truth."""

from .benchmark import evaluate
from .metrics import picture_metrics

__all__ = ["evaluate", "picture_metrics"]
