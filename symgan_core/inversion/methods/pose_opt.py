"""PTI that moves the camera too (Ko et al., arXiv 2210.07301)."""

from dataclasses import replace

from ..method import register_method
from .pti import PTI

POSE_OPT = register_method(replace(PTI, name="pose_opt", pivot=replace(PTI.pivot, optimize_camera=True)))
