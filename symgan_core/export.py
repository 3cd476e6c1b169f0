"""Portraits as files: looping films, stills, a coloured mesh."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageColor
from torch import Tensor
from torch.nn import functional as F

from .errors import RequestError
from .files import whole_file
from .films import film_kind, resized_picture, write_video
from .generator import Synthesized
from .gltf import glb
from .inversion import Portrait3D, to_uint8

ORBIT_YAW, ORBIT_PITCH = 35.0, 5.0
EXPRESSION_YAW = 20.0
STRIP_COLUMNS, STRIP_QUALITY = 6, 82
"""Of the picture that holds all views of an orbit."""
TINTS, TINTED = ((0, 0, 0), (0, 0, 0), (64, 132, 255), (255, 132, 28)), 0.62
"""Mirrored: blue; invented: orange; each so far mixed with the picture, which else stays as it is."""
FEWEST_FRAMES = 48
"""Of a loop; fewer do not turn smoothly."""

Progress = Callable[[int, int], None]
"""Called with the frames that are done, and how many there will be."""


def orbit_angles(frames: int) -> list[tuple[float, float]]:
    """(yaw, pitch) in degrees along an arc, from the front to one side, over to the other and back; the last frame leads to the first.

    With an even number of frames the way back passes the views of the way there.
    """
    turn = [2 * math.pi * i / frames for i in range(frames)]
    return [(round(ORBIT_YAW * math.sin(t), 6), round(ORBIT_PITCH * math.cos(2 * t), 6)) for t in turn]


def orbit_frames(portrait: Portrait3D, frames: int = 60, background: str = "white") -> Iterator[np.ndarray]:
    """uint8 ``[H, W, 3]`` pictures of one turn; ``background`` as ``on_background`` has it, but not transparent."""
    rendered: dict[tuple[float, float], np.ndarray] = {}
    for yaw, pitch in orbit_angles(frames):
        if (yaw, pitch) not in rendered:
            rendered[yaw, pitch] = on_background(portrait.render(yaw=yaw, pitch=pitch), background, portrait.backdrop)
        yield rendered[yaw, pitch]


def expression_path(frames: int) -> list[tuple[float, float]]:
    """(yaw in degrees, share of the expression in [0, 1]) along a loop: from neutral at the front to the whole expression at the front and
    back, slow at both ends, while the head turns to one side on the way there and to the other on the way back."""
    turn = [2 * math.pi * i / frames for i in range(frames)]
    return [(round(EXPRESSION_YAW * math.sin(t), 6), round((1 - math.cos(t)) / 2, 6)) for t in turn]


def expression_frames(portrait: Portrait3D, strengths: Mapping[str, float], frames: int = 72, background: str = "white",
                      directions: str | Path | None = None) -> Iterator[np.ndarray]:
    """uint8 ``[H, W, 3]`` pictures of one loop of ``expression_path``; arguments and errors as ``write_expression`` has them."""
    own = portrait.edits if directions is None else {}  # a head is edited in its own space, or its code is moved
    portrait.edit(own | dict(strengths), directions)  # what cannot be asked for is said before any work
    for yaw, share in expression_path(frames):
        # Rounded, so that a blend of two strengths at the limit is not beyond it.
        blend = {name: round((1 - share) * own.get(name, 0.0) + share * strength, 6) for name, strength in strengths.items()}
        head = portrait.edit(own | blend, directions)
        yield on_background(head.render(yaw=yaw), background, portrait.backdrop)


def write_orbit(portrait: Portrait3D, path: str | Path, frames: int = 60, progress: Progress | None = None) -> Path:
    """Render one turn and write it as ``films.write_video`` does: .mp4, .gif or .webp.

    Raises:
        RequestError: fewer than 48 frames, which would not turn smoothly, or another ending of the file's name.
    """
    return _write_loop(orbit_frames(portrait, frames), path, frames, progress)


def write_expression(portrait: Portrait3D, path: str | Path, strengths: Mapping[str, float], frames: int = 72,
                     progress: Progress | None = None, background: str = "white", directions: str | Path | None = None) -> Path:
    """Film how the head takes on an expression and lets go of it while it turns gently; a loop, written as ``write_orbit`` does.

    Args:
        strengths: of the expression. They take the place of the portrait's own (``portrait.edits``), which is where the film begins and
            ends; its other edits stay.
        background: as ``on_background`` has it, but not transparent.
        directions: as ``Portrait3D.edit`` has it; the film then begins with the unedited head.

    Raises:
        RequestError: fewer than 48 frames, an unknown direction, a strength that is out of range, no such background, or no film's name.
    """
    if background == "transparent":
        raise RequestError("A film cannot be transparent.", "Name a colour, or say blurred.")
    return _write_loop(expression_frames(portrait, strengths, frames, background, directions), path, frames, progress)


def _write_loop(pictures: Iterable[np.ndarray], path: str | Path, frames: int, progress: Progress | None) -> Path:
    """Write ``frames`` pictures, which are rendered as they are asked for."""
    if frames < FEWEST_FRAMES:
        raise RequestError(f"{frames} frames are too few for a smooth turn.", f"Use at least {FEWEST_FRAMES}.")
    film_kind(path)
    rendered = []
    for picture in pictures:
        rendered.append(picture)
        if progress:
            progress(len(rendered), frames)
    return write_video(rendered, path)


def write_strip(pictures: Sequence[np.ndarray], path: str | Path, side: int | None = None) -> Path:
    """The frames of ``orbit_frames`` as one picture that a page turns by itself: each view once, row by row in a grid of ``STRIP_COLUMNS``,
    as WebP.

    Args:
        pictures: uint8 ``[S, S, 3]``, an even number.
        side: pixels of a view; by default as it is.
    """
    views = [pictures[number] for number in strip_views(len(pictures))]
    strip = Image.fromarray(strip_sheet([resized_picture(view, side or view.shape[1]) for view in views]))
    with whole_file(path) as partial:
        strip.save(partial, "WEBP", quality=STRIP_QUALITY, method=4)
    return Path(path)


def strip_sheet(views: Sequence[np.ndarray]) -> np.ndarray:
    """Views, uint8 ``[S, S, 3]``, row by row in a grid of ``STRIP_COLUMNS`` on white."""
    side, rows = views[0].shape[0], -(-len(views) // STRIP_COLUMNS)
    sheet = np.full((rows * side, STRIP_COLUMNS * side, 3), 255, np.uint8)
    for number, view in enumerate(views):
        row, column = divmod(number, STRIP_COLUMNS)
        sheet[row * side:(row + 1) * side, column * side:(column + 1) * side] = view
    return sheet


def strip_views(frames: int) -> list[int]:
    """Numbers of those of ``frames`` on an orbit that differ, by rising yaw."""
    angles = orbit_angles(frames)
    first = {angle: number for number, angle in reversed(list(enumerate(angles)))}
    return [first[angle] for angle in sorted(first)]


class Pose(NamedTuple):
    """From where a head is seen: ``yaw`` and ``pitch`` in degrees and ``zoom``, as ``Portrait3D.render`` has them."""

    yaw: float = 0.0
    pitch: float = 0.0
    zoom: float = 1.0


def write_still(portrait: Portrait3D, path: str | Path, pose: Pose = Pose(), background: str = "white", detail: bool = True,
                side: int | None = None) -> Path:
    """One view as a picture file, ``side`` pixels a side or as it is rendered; ``background`` as ``on_background`` has it, ``detail`` as
    ``Portrait3D.render``.

    Raises:
        RequestError: no such colour or pose, or a transparent picture in a format that has none.
    """
    path = Path(path)
    view = portrait.render(yaw=pose.yaw, pitch=pose.pitch, zoom=pose.zoom, detail=detail)
    picture = on_background(view, background, portrait.backdrop)
    if picture.shape[2] == 4 and path.suffix.lower() not in (".png", ".webp"):
        raise RequestError(f"'{path.name}' cannot be transparent.", "End it in .png or .webp.")
    image = Image.fromarray(picture)
    with whole_file(path) as partial:
        (image if side in (None, image.width) else image.resize((side, side), Image.Resampling.LANCZOS)).save(partial)
    return path


def on_background(out: Synthesized, background: str, backdrop: Tensor | None = None) -> np.ndarray:
    """A view of a head on white, put before something else: uint8 ``[H, W, 3]``, or ``[H, W, 4]`` if it is to be "transparent".

    ``background``: that, "blurred" for the photo's own (``backdrop [1, 3, S, S]``), or a colour by name or as #rrggbb. A generator that
    renders a background of its own keeps it.

    Raises:
        RequestError: no such colour, or no backdrop.
    """
    if background == "white":
        return to_uint8(out.image)
    opacity = F.interpolate(out.image_opacity, out.image.shape[-2:], mode="bilinear", align_corners=False).clamp(0, 1)
    if background == "transparent":
        colour = 1 - (1 - out.image) / opacity.clamp(min=1e-3)  # what is mixed with white in proportion to the opacity
        return np.concatenate([to_uint8(colour), to_uint8(opacity * 2 - 1)], 2)
    return to_uint8(out.image + (1 - opacity) * (_behind(out.image, background, backdrop) - 1))


def depth_picture(out: Synthesized) -> np.ndarray:
    """A view's depth as uint8 ``[H, W, 3]`` on white: near is light, far is dark."""
    size = out.image.shape[-1]
    depth, opacity = (F.interpolate(x, (size, size), mode="bilinear", align_corners=False) for x in (out.image_depth, out.image_opacity))
    solid = opacity > 0.5
    if not bool(solid.any()):
        return to_uint8(torch.ones_like(out.image))
    near, far = depth[solid].quantile(torch.tensor([0.01, 0.99], device=depth.device))
    light = 1 - 0.85 * ((depth - near) / (far - near).clamp(min=1e-6)).clamp(0, 1)
    return to_uint8(torch.lerp(torch.ones_like(light), light, opacity.clamp(0, 1)).expand(-1, 3, -1, -1) * 2 - 1)


def sources_picture(out: Synthesized, sources: Tensor) -> np.ndarray:
    """A view tinted by where its pixels come from, uint8 ``[H, W, 3]``; ``sources [1, 1, h, w]`` uint8 as ``Portrait3D.sources`` has it."""
    return _tinted(to_uint8(out.image), F.interpolate(_shares(sources), out.image.shape[-2:], mode="bilinear", align_corners=False)[0])


def _shares(sources: Tensor) -> Tensor:
    """``[N, 4, h, w]`` in {0, 1}, of ``sources [N, 1, h, w]``."""
    return F.one_hot(sources[:, 0].long(), len(TINTS)).permute(0, 3, 1, 2).float()


def _tinted(picture: np.ndarray, shares: Tensor) -> np.ndarray:
    """``picture [H, W, 3]`` uint8, tinted by ``shares [4, H, W]``; light and dark remain."""
    light = 0.4 + 0.6 * picture.mean(-1, keepdims=True) / 255
    weights = shares.cpu().numpy()[:, ..., None]
    share = TINTED * weights[2:].sum(0)
    tint = sum(weight * np.float32(colour) for weight, colour in zip(weights[2:], TINTS[2:], strict=True))
    return ((1 - share) * picture + TINTED * tint * light).round().clip(0, 255).astype(np.uint8)


def _behind(image: Tensor, background: str, backdrop: Tensor | None) -> Tensor:
    if background == "blurred":
        if backdrop is None:
            raise RequestError("This portrait knows nothing of its photo's background.", "Name a colour, or make it again from the photo.")
        return F.interpolate(backdrop, image.shape[-2:], mode="bicubic", align_corners=False).clamp(-1, 1)
    try:
        return (torch.tensor(ImageColor.getrgb(background)[:3], device=image.device) / 127.5 - 1)[None, :, None, None]
    except ValueError:
        raise RequestError(f"'{background}' is not a colour.", "Name one, e.g. black or #336699, or say blurred or transparent.") from None


@torch.no_grad()
def write_mesh(portrait: Portrait3D, path: str | Path, resolution: int = 160, level: float = 10.0) -> Path:
    """The largest connected iso-surface of the raw density (EG3D's level: 10) with vertex colours, as glTF binary; y up, metres = world
    units. Where the photo saw the surface, its colours are the photo's.

    Raises:
        RequestError: the file name does not end in .glb, or there is no surface.
    """
    from skimage.measure import marching_cubes

    path = Path(path)
    if path.suffix.lower() != ".glb":
        raise RequestError(f"'{path.name}' is not a .glb name.", "Meshes are written as glTF binary: name it head.glb.")
    generator = portrait.generator
    planes = portrait.planes()
    half = generator.config.box_warp / 2 * 0.98
    volume = generator.density_volume(planes, resolution, 2 * half)[0].permute(2, 1, 0).cpu().numpy()
    if not volume.min() < level < volume.max():
        raise RequestError("This portrait has no solid surface.", "Invert the photo again with a longer preset.")
    vertices, faces, normals, _ = marching_cubes(volume, level)
    vertices, faces, normals = largest_piece(vertices, faces[:, ::-1], normals)
    points, normals = (torch.from_numpy(np.ascontiguousarray(x)).float().to(planes.device)
                       for x in ((vertices / (resolution - 1) * 2 - 1) * half, normals))
    colours = portrait.colours_at(points, normals)
    with whole_file(path) as partial:
        partial.write_bytes(glb(points.cpu().numpy(), faces, normals.cpu().numpy(), colours.cpu().numpy()))
    return path


def largest_piece(vertices: np.ndarray, faces: np.ndarray, normals: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of a mesh with ``vertices [V, 3]``, ``faces [F, 3]`` and ``normals [V, 3]``, the connected piece with the most vertices."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]]])
    _, piece = connected_components(coo_matrix((np.ones(len(edges), bool), edges.T), shape=(len(vertices),) * 2), directed=False)
    own = piece == np.bincount(piece).argmax()
    number = np.cumsum(own) - 1
    return vertices[own], number[faces[own[faces[:, 0]]]].astype(faces.dtype), normals[own]


def origins_picture(views: list[np.ndarray], maps: Tensor) -> np.ndarray:
    """Views side by side with the pixels tinted by where they come from (``Inversion.origins``).

    Args:
        views: uint8 ``[H, W, 3]`` each; maps: ``[N, 1, h, w]`` uint8, of any size.
    """
    shares = F.interpolate(_shares(maps), views[0].shape[:2], mode="nearest")
    return np.concatenate([_tinted(view, share) for view, share in zip(views, shares, strict=True)], 1)
