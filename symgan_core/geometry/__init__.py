"""Geometry as pure functions on tensors: cameras, rays, volume rendering, warps, mirror. Imports torch only."""

from .cameras import DEFAULT_FOCAL, Camera
from .meshes import vertex_normals
from .mirror import mirror_image, mirror_weight
from .rays import camera_rays, pixel_rays
from .surface import facing, surface_normals
from .volume import Marched, coarse_depths, importance_depths, march
from .warp import DepthView, Warp, project, unproject, warp_to_view

__all__ = [
    "DEFAULT_FOCAL", "Camera", "DepthView", "Marched", "Warp", "camera_rays", "coarse_depths", "facing", "importance_depths",
    "march", "mirror_image", "mirror_weight", "pixel_rays", "project", "surface_normals", "unproject", "vertex_normals", "warp_to_view",
]
