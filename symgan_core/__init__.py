"""symgan: one photo of a face in, a head that can be turned out.

SPI (3D GAN Inversion with Facial Symmetry Prior, Yin et al., CVPR 2023, arXiv 2211.16927) on an EG3D-style tri-plane generator.
Importing the package needs torch, numpy and pillow alone.
"""

from .errors import CheckpointError, NoFaceFound, PhotoError, RequestError, SymganError
from .geometry import Camera
from .inversion import Inversion, Portrait3D, invert_crop, invert_photo

__version__ = "0.1.0"
__all__ = ["Camera", "CheckpointError", "Inversion", "NoFaceFound", "PhotoError", "Portrait3D", "RequestError", "SymganError",
           "invert_crop", "invert_photo"]
