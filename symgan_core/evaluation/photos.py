"""Photos without ground truth: the given view, and whether the turned head agrees with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import RequestError
from ..faces import read_photo
from ..generator import TriPlaneGenerator
from ..geometry import DepthView, warp_to_view
from ..inversion import Inversion, Method, Portrait3D, prepare_photo, start_inversion
from .metrics import mean_metrics, picture_metrics

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".heic", ".bmp", ".tif", ".tiff")
TURNED = (-40.0, -20.0, 20.0, 40.0)
SOLID, TOLERANCE = 0.8, 0.03


def find_photos(place: Path) -> list[Path]:
    """The picture ``place``, or the pictures in the folder, sorted. Raises RequestError if there are none."""
    found = [place] if place.is_file() else sorted(p for p in place.glob("*") if p.suffix.lower() in SUFFIXES)
    if not found:
        raise RequestError(f"There is no photo in '{place}'.", "Name an .npz, a picture, a folder of pictures, or one with people.json.")
    return found


def start_photo(photo: Path, generator: TriPlaneGenerator, config: Method, seed: int) -> Inversion:
    """An inversion of a picture file. Raises PhotoError, NoFaceFound, RequestError."""
    return start_inversion(prepare_photo(read_photo(photo), generator), generator, config, seed=seed)


def score_photo(portrait: Portrait3D, inversion: Inversion) -> dict[str, Any]:
    """``input``: the photo's view beside the photo. ``turned``: the turned head (``TURNED``, degrees) beside what of it the photo's view
    shows, warped there through the rendered depth. Both as ``picture_metrics`` has them."""
    own, turned = portrait.render(portrait.camera), []
    for yaw in TURNED:
        camera = portrait.orbit_camera(yaw)
        seen = portrait.render(camera)
        solid = (own.image_opacity > SOLID).float()
        shown, view = DepthView(portrait.camera, own.image_depth), DepthView(camera, seen.image_depth)
        warp = warp_to_view(own.image.clamp(-1, 1), shown, view, solid, TOLERANCE)
        turned.append(picture_metrics(seen.image, warp.image, warp.visible))
    return {"input": picture_metrics(own.image, inversion.target.image), "turned": mean_metrics(turned)}
