"""The photo side: reading, finding faces, pose, alignment, head against background."""

from .align import FaceCrop, align_frame, frame_for, to_crop
from .detect import Face, FaceProvider, choose_face, load_provider
from .photo import read_photo
from .regions import head_mask

__all__ = ["Face", "FaceCrop", "FaceProvider", "align_frame", "choose_face", "frame_for", "head_mask", "load_provider",
           "read_photo", "to_crop"]
