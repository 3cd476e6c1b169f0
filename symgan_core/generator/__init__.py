"""The tri-plane generator: one class for the official EG3D checkpoint and for the built-in weights."""

from .checkpoint import builtin_available, load_generator, save_generator
from .config import BUILTIN, CORRECTED_AXES, EG3D_AXES, FFHQ512, GeneratorConfig, SuperResolutionConfig
from .head import Head
from .model import Synthesized, TriPlaneGenerator
from .rendering import Rendered, Sampling

__all__ = [
    "BUILTIN", "CORRECTED_AXES", "EG3D_AXES", "FFHQ512", "GeneratorConfig", "Head", "Rendered", "Sampling", "SuperResolutionConfig",
    "Synthesized", "TriPlaneGenerator", "builtin_available", "load_generator", "save_generator",
]
