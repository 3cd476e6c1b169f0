"""Scores of inversions against multi-view ground truth."""

from .benchmark import depth_along_rays, evaluate, read_multiview
from .metrics import picture_metrics

__all__ = ["depth_along_rays", "evaluate", "picture_metrics", "read_multiview"]
