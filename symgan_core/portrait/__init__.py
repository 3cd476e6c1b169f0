"""A finished head: views with the photo's detail, edits, and the file that holds it."""

from .detail import Detail, DetailPicture
from .portrait import Portrait3D

__all__ = ["Detail", "DetailPicture", "Portrait3D"]
