"""The photo side: reading, finding faces, pose, alignment, head against background."""

from .advice import crop_advice
from .align import FaceCrop, align_frame, fine_side, frame_for, inside_photo, nudged, to_crop
from .closeup import Closeup, look_closer, share_of, shares_of
from .detect import Face, FaceProvider, choose_face, load_provider
from .draw import draw_check, draw_faces
from .frames import as_tensor
from .photo import read_photo
from .regions import follow_edges, head_mask

__all__ = [
    "Closeup", "Face", "FaceCrop", "FaceProvider", "align_frame", "as_tensor", "choose_face", "crop_advice", "draw_check",
    "draw_faces", "fine_side", "follow_edges", "frame_for", "head_mask", "inside_photo", "load_provider", "look_closer", "nudged",
    "read_photo", "share_of", "shares_of", "to_crop",
]
