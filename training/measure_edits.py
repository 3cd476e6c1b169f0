"""A judge of the editing sliders that knows nothing of how they were made: MediaPipe's mesh, dlib's recogniser, CIELAB.

``python -m training.measure_edits PORTRAIT_FOLDER... --json OUT.json [--only NAME...] [--sheet OUT.jpg] [--mesh plain|attention]`` renders
each portrait from the front, unedited and with each direction at both ends, and prints what moved, and whether that meets ``DEMANDS``.
Lengths are read from the mesh that we ship (``plain``) or from MediaPipe's attention mesh (``attention_mesh.py`` says where from).

Lengths are in units of the unedited view's eye distance, or changes in percent of the unedited view's; colours in Delta E. The face's own
left and right are averaged. dlib is found where it is installed, or beside the package whose ``models`` the variable DLIB_MODELS names.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from skimage.color import rgb2lab

from symgan_core.evaluation.recognition import descriptor, identity_distance
from symgan_core.faces import Pyramid, as_tensor, shares_of
from symgan_core.faces.mesh import PRESENT, mean_head, mesh_square, read_mesh
from symgan_core.geometry import project
from symgan_core.inversion import Portrait3D, to_uint8

from .attention_mesh import AttentionMesh
from .edit_sheet import strip, write_sheet

MeshReader = Callable[[np.ndarray, np.ndarray], np.ndarray | None]
"""A uint8 picture, and the square of the face in it, to ``[468, 2]`` pixels, or None where no face is found."""
Measures = dict[str, Any]
Range = tuple[float, float]

EYE_CONTOURS = ((33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246),
                (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466))
"""Points of the mesh, in order around the lids; here and below the person's right, the picture's left, comes first."""
EYE_CORNERS, LIDS = ((33, 133), (362, 263)), ((159, 145), (386, 374))
BROWS = ((70, 63, 105, 66, 107), (336, 296, 334, 293, 300))
MOUTH_CORNERS, INNER_LIPS = (61, 291), (13, 14)
LENGTHS = {"face_width": ((234, 454),), "jaw_width": ((172, 397),), "chin_drop": ((152, 2),), "nose_width": ((129, 358), (48, 278)),
           "nose_length": ((168, 2),), "eye_opening": LIDS}
"""Told as the change of the pairs' mean distance, in percent."""
ZOOMS = (0.94, 1.0, 1.06)
"""The mesh is the mean of what is read in squares that are so much wider."""
IRIS, SURE, EDGE = 0.08, 0.8, 2
"""Radius of an iris in eye distances; least probability of a region; pixels that are left out along its edge."""
SMOOTH = 4.0
"""Delta E below which there is no edge between neighbouring pixels."""
FAINT = 0.2
"""Where hair and skin are less likely than this, and there is no other region, ``rest`` is: above all mouth and eyes."""
REGIONS = {"hair": ("hair",), "skin": ("skin", "nose", "ears", "neck"), "behind": ("clothing", "background")}
COLOURS = {"skin_tone": "skin", "hair_lightness": "hair"}
"""Directions that change colours, and what they are to change."""
NAMED: dict[str, tuple[tuple[str, ...], float]] = {
    "smile": (("smile_up", "smile_out"), 0.06), "mouth_open": (("mouth_opening",), 0.12), "brow_raise": (("brow_height",), 0.05),
    "eye_opening": (("eye_opening",), 15.0), "face_width": (("face_width",), 5.0), "jaw": (("jaw_width", "chin_drop"), 5.0),
    "nose_size": (("nose_width", "nose_length"), 5.0)}
"""What each direction of shape is named after, and by how much it is to move. Of several parts the one that moved most counts."""
CROSSTALK = 0.5
"""Largest share, of its demand, by which another named measure moves while the own one moves by all of its."""
ANY: Range = (-np.inf, np.inf)


def at_least(x: float) -> Range:
    """Values that are no lower."""
    return x, np.inf


def at_most(x: float) -> Range:
    """Values that are no higher."""
    return -np.inf, x


DEMANDS: dict[str, dict[str, tuple[Range, Range]]] = {
    "smile": {"smile_up_min": (ANY, at_least(0.06)), "smile_out_min": (ANY, at_least(0.06)), "smile_up_max": (at_most(-0.06), ANY)},
    "mouth_open": {"mouth_opening": (ANY, at_least(0.12))}, "brow_raise": {"brow_height": (at_most(-0.05), at_least(0.05))},
    **{name: {name: (at_most(-NAMED[name][1]), at_least(NAMED[name][1]))} for name in ("eye_opening", "face_width", "jaw", "nose_size")},
    **{name: {target: (at_least(15.0),) * 2, **{other: (at_most(3.0),) * 2 for other in (*REGIONS, "iris", "rest") if other != target},
              "new_edge": (at_most(4.0),) * 2} for name, target in COLOURS.items()}}
"""For each direction and measure: the range at the low and at the high end."""
IDENTITY = dict.fromkeys(("smile", "mouth_open", "brow_raise", "eye_opening", "light_side"), 0.35) | dict.fromkeys(
    ("face_width", "jaw", "nose_size", "weight"), 0.45)


@dataclass(frozen=True, eq=False)
class View:
    """A view from the front: uint8 ``image [S, S, 3]``, ``lab [S, S, 3]``, mesh ``points [468, 2]`` in pixels or None, ``face [128]``."""

    image: np.ndarray
    lab: np.ndarray
    points: np.ndarray | None
    face: np.ndarray | None


class Row(NamedTuple):
    """A measure at both ends as it is printed, and whether each end meets its demand (None: there is none, or nothing was measured)."""

    label: str
    cells: tuple[str, str]
    passed: tuple[bool | None, bool | None]


@torch.no_grad()
def look(portrait: Portrait3D, read: MeshReader) -> View:
    """Render from the front and read what the judges need."""
    image = to_uint8(portrait.render(yaw=0.0).image)
    places = project(mean_head()[0][None], portrait.orbit_camera(0.0).cpu())[0][0].double().numpy() * image.shape[0]
    return View(image, rgb2lab(image), read(image, mesh_square(places)), descriptor(image))


def plain_mesh(image: np.ndarray, square: np.ndarray) -> np.ndarray | None:
    """``MeshReader`` of the mesh that we ship: the mean of a few looks."""
    picture = Pyramid(as_tensor(image))
    square = mesh_square(read_mesh(picture, square).points)
    found = [read_mesh(picture, np.concatenate([square[:2] * zoom, square[2:]]), looks=1) for zoom in ZOOMS]
    return np.mean([mesh.points for mesh in found], 0) if min(mesh.present for mesh in found) > PRESENT else None


def eye_distance(points: np.ndarray) -> float:
    """Pixels between the middles of the eyes."""
    return float(np.linalg.norm(np.subtract(*(points[list(eye)].mean(0) for eye in EYE_CONTOURS))))


def shape_changes(before: np.ndarray, after: np.ndarray) -> Measures:
    """What moved between two meshes ``[468, 2]``: see the module for units. ``smile_up`` and ``smile_out`` are means of both corners."""
    unit = eye_distance(before)
    moved = (after - before)[list(MOUTH_CORNERS)] / unit
    up, out = -moved[:, 1], moved[:, 0] * (-1, 1)
    found = {f"{name}{end}": float(pick(values)) for name, values in (("smile_up", up), ("smile_out", out))
             for end, pick in (("", np.mean), ("_min", np.min), ("_max", np.max))}
    found["mouth_opening"] = (_distance(after, (INNER_LIPS,)) - _distance(before, (INNER_LIPS,))) / unit
    found["brow_height"] = (_brow_height(after) - _brow_height(before)) / unit
    for name, pairs in LENGTHS.items():
        found[name] = 100 * (_distance(after, pairs) / _distance(before, pairs) - 1)
    return found | {name: max((found[part] for part in parts), key=abs) for name, (parts, _) in NAMED.items() if len(parts) > 1}


def _distance(points: np.ndarray, pairs: tuple[tuple[int, int], ...]) -> float:
    return float(np.mean([np.linalg.norm(points[a] - points[b]) for a, b in pairs]))


def _brow_height(points: np.ndarray) -> float:
    return float(np.mean([points[list(eye), 1].mean() - points[list(brow), 1].mean()
                          for brow, eye in zip(BROWS, EYE_CORNERS, strict=True)]))


def regions_of(view: View) -> dict[str, np.ndarray]:
    """Bool masks ``[S, S]`` of ``REGIONS``, ``iris`` (both, as far as the lids show them) and ``rest`` (``FAINT``)."""
    shares = dict(zip(REGIONS, (share[0, 0].numpy() for share in shares_of(as_tensor(view.image), *REGIONS.values())), strict=True))
    masks = {name: share > SURE for name, share in shares.items()}
    masks["iris"] = np.zeros(view.image.shape[:2], bool)
    for eye in EYE_CONTOURS if view.points is not None else ():
        contour = view.points[list(eye)]
        lids, disc = np.zeros((2, *view.image.shape[:2]), np.uint8)
        cv2.fillPoly(lids, [contour.round().astype(np.int32)], 1)
        cv2.circle(disc, [round(x) for x in contour.mean(0)], round(IRIS * eye_distance(view.points)), 1, -1)
        masks["iris"] |= (cv2.erode(lids, np.ones((3, 3), np.uint8)) & disc) > 0
    masks["rest"] = (shares["hair"] < FAINT) & (shares["skin"] < FAINT) & ~masks["behind"] & ~masks["iris"]
    brush = np.ones((2 * EDGE + 1,) * 2, np.uint8)
    return {name: mask if name == "iris" else cv2.erode(mask.astype(np.uint8), brush, borderValue=1) > 0 for name, mask in masks.items()}


def colour_changes(before: View, after: View, regions: dict[str, np.ndarray], edges: bool) -> Measures:
    """Mean Delta E in each region (None where it is empty). With ``edges`` also ``new_edge``, the 99.9th percentile, and ``new_edge_max``,
    over neighbouring pixels that were alike (``SMOOTH``): by how much more they differ than before. Where there was an edge, strands of
    dark hair say, a lighter colour makes it stronger."""
    apart = np.linalg.norm(after.lab - before.lab, axis=2)
    found: Measures = {name: float(apart[mask].mean()) if mask.any() else None for name, mask in regions.items()}
    if edges:
        then, now = (np.concatenate([np.linalg.norm(np.diff(view.lab, axis=axis), axis=2).ravel() for axis in (0, 1)])
                     for view in (before, after))
        steps = (now - then)[then < SMOOTH]
        found |= {"new_edge": float(np.percentile(steps, 99.9)), "new_edge_max": float(steps.max())}
    return found


def crosstalk(name: str, low_end: bool, found: Measures) -> dict[str, float]:
    """For each other named measure its change over its demand; of a named direction, over its own change over its own demand there.

    Where an end demands nothing (closing a closed mouth), the own change counts as all that was wanted. A mouth that opens takes the chin
    along: there ``jaw`` is its width alone.
    """
    if found.get("mouth_opening") is None:
        return {}
    own = 1.0
    if name in NAMED and not (low_end and name == "mouth_open"):
        own = max(abs(_named(name, found)) / NAMED[name][1], 1e-3)
    others = {other: found["jaw_width"] if (name, other) == ("mouth_open", "jaw") else _named(other, found) for other in NAMED}
    return {other: abs(value) / NAMED[other][1] / own for other, value in others.items() if other != name}


def _named(name: str, found: Measures) -> float:
    parts = NAMED[name][0]
    return found[name if len(parts) > 1 else parts[0]]


def judge(before: View, after: View, regions: dict[str, np.ndarray], name: str, low_end: bool) -> Measures:
    """All measures of a direction at one end."""
    found: Measures = {"identity": identity_distance(before.face, after.face)} | colour_changes(before, after, regions, name in COLOURS)
    if before.points is not None and after.points is not None:
        found |= shape_changes(before.points, after.points)
    return found | {"crosstalk": crosstalk(name, low_end, found)}


def rows_of(name: str, low: Measures, high: Measures) -> Iterator[Row]:
    """What is printed of a direction: all that is demanded of it, then what else tells something."""
    demands = dict(DEMANDS.get(name, {}))
    if name in IDENTITY:
        demands["identity"] = (at_most(IDENTITY[name]),) * 2
    more = (*NAMED.get(name, ((),))[0], *(("new_edge_max",) if name in COLOURS else ("skin", "hair")), "identity")
    for measure in dict.fromkeys((*demands, *more)):
        ranges, values = demands.get(measure, (ANY, ANY)), (low.get(measure), high.get(measure))
        passed = tuple(_within(end, measure, span) for end, span in zip((low, high), ranges, strict=True))
        form = "+.3f" if measure.startswith(("smile", "mouth", "brow")) else ".3f" if measure == "identity" else "+.1f"
        yield Row(measure, tuple("-" if value is None else format(value, form) for value in values), passed)
    worst = [max(end["crosstalk"].items(), key=lambda item: item[1], default=None) for end in (low, high)]
    yield Row("crosstalk" if name in NAMED else "shape moved", tuple("-" if x is None else f"{x[1]:.2f} {x[0]}" for x in worst),
              tuple(None if x is None or name not in NAMED else x[1] < CROSSTALK for x in worst))


def _within(found: Measures, measure: str, span: Range) -> bool | None:
    if span == ANY or found.get(measure, np.nan) is None:
        return None
    return bool(span[0] <= found.get(measure, np.nan) <= span[1])  # a face whose mesh is lost fails


def print_table(name: str, ends: dict[str, dict[str, Measures]]) -> bool | None:
    """A direction's table, a column a portrait, low / high; ``!`` marks what does not meet its demand. Returns whether all does."""
    columns = {folder: list(rows_of(name, **both)) for folder, both in ends.items()}
    print(f"\n{name:15}" + "".join(f"{Path(folder).name[:38]:>40}" for folder in columns))
    for rows in zip(*columns.values(), strict=True):
        cells = [" / ".join(cell + "!" * (ok is False) for cell, ok in zip(row.cells, row.passed, strict=True)) for row in rows]
        print(f"  {rows[0].label:13}" + "".join(f"{cell:>40}" for cell in cells))
    verdicts = [[ok for row in rows for ok in row.passed if ok is not None] for rows in columns.values()]
    if not any(verdicts):
        print("  nothing is demanded")
        return None
    print("  verdict      " + "".join(f"{'PASS' if all(oks) else f'FAIL, {sum(oks)} of {len(oks)} demands met':>40}" for oks in verdicts))
    return all(map(all, verdicts))


def measure_portrait(folder: Path, only: list[str] | None, strips: dict[str, list[np.ndarray]],
                     read: MeshReader = plain_mesh) -> dict[str, dict[str, Measures]]:
    """``{direction: {"low", "high"}}`` of a portrait; its pictures (low, unedited, high) go to ``strips``."""
    from symgan_core.portrait.editing import list_directions

    portrait, found = Portrait3D.load(folder, "cpu"), {}
    plain = look(portrait, read)
    regions = regions_of(plain)
    for direction in list_directions(portrait.generator):
        if only and direction.name not in only:
            continue
        low, high = (look(portrait.edit({direction.name: sign * direction.limit}), read) for sign in (-1, 1))
        found[direction.name] = {end: judge(plain, view, regions, direction.name, end == "low")
                                 for end, view in (("low", low), ("high", high))}
        strips.setdefault(direction.name, []).append(strip([view.image for view in (low, plain, high)]))
    return found


def main() -> None:
    """Measure, print the tables, and write the figures after each portrait."""
    parser = argparse.ArgumentParser(prog="python -m training.measure_edits", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, metavar="PORTRAIT_FOLDER")
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--only", nargs="+", metavar="NAME")
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--mesh", choices=("plain", "attention"), default="plain")
    args = parser.parse_args()
    if "DLIB_MODELS" in os.environ:
        sys.path.append(str(Path(os.environ["DLIB_MODELS"]).resolve().parents[1]))
    results, strips = {}, {}
    attention = AttentionMesh() if args.mesh == "attention" else None
    read = plain_mesh if attention is None else lambda image, _: attention(image)
    for folder in args.folders:
        results[str(folder)] = measure_portrait(folder, args.only, strips, read)
        args.json.write_text(json.dumps(results, indent=1) + "\n")
        gc.collect()  # a portrait and its detail hold on to each other
    names = list(next(iter(results.values())))
    verdicts = {name: print_table(name, {folder: found[name] for folder, found in results.items()}) for name in names}
    missing = [name for name in dict.fromkeys((*DEMANDS, *IDENTITY)) if name not in names and (not args.only or name in args.only)]
    print("\n" + "\n".join(f"{name:15} {'missing' if name in missing else {None: '-', True: 'PASS', False: 'FAIL'}[verdicts[name]]}"
                           for name in (*names, *missing)))
    if attention:
        attention.close()
    if args.sheet:
        write_sheet(args.sheet, strips)


if __name__ == "__main__":
    main()
