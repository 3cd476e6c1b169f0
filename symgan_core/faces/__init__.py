"""The photo side: reading, finding faces, pose, alignment, head against background."""

from .advice import crop_advice, crop_hints
from .align import FaceCrop, align_frame, fine_side, frame_for, inside_photo, nudged, to_crop
from .closeup import Closeup, look_closer, share_of, shares_of
from .depth import read_face_depth
from .detect import faces_in_frames
from .draw import draw_check, draw_faces, face_at
from .frames import Pyramid, as_tensor
from .mesh import with_fitted_head
from .person import head_share, person_share
from .photo import read_photo
from .provider import MOST_FACES, Face, FaceProvider, choose_face, load_provider
from .regions import follow_edges, head_mask

__all__ = [
    "MOST_FACES", "Closeup", "Face", "FaceCrop", "FaceProvider", "Pyramid", "align_frame", "as_tensor", "choose_face", "crop_advice",
    "crop_hints", "draw_check", "draw_faces", "face_at", "faces_in_frames", "fine_side", "follow_edges", "frame_for", "head_mask",
    "head_share", "inside_photo", "load_provider", "look_closer", "nudged", "person_share", "read_face_depth", "read_photo", "share_of",
    "shares_of", "to_crop", "with_fitted_head",
]
