"""Scores of inversions: against multi-view ground truth, and against photos of real people."""

from .ablation import ablation_variants
from .benchmark import depth_along_rays, evaluate, methods_at, read_multiview
from .metrics import picture_metrics

__all__ = ["ablation_variants", "depth_along_rays", "evaluate", "methods_at", "picture_metrics", "read_multiview"]
