"""A person's meshes and their pictures, on the CPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from symgan_core.geometry import vertex_normals

from . import accessories, raster
from .pack import REGIONS, HeadPack, Proxy
from .people import Person

Array = np.ndarray
FRAME_HEIGHT = 0.633
"""World units: what a camera with EG3D's focal length sees at distance 2.7."""


class View(NamedTuple):
    """``rgb [R, R, 3]`` uint8 over white, ``alpha [R, R]`` uint8, ``depth [R/2, R/2]`` float16 (z along the camera's axis
    minus 2.7, NaN where there is no head), ``region [R/2, R/2]`` uint8 (index into REGIONS)."""

    rgb: Array
    alpha: Array
    depth: Array
    region: Array


@dataclass
class _Part:
    kind: int
    region: int
    attributes: Array
    triangles: Array
    texture: Array
    tint: Array
    alpha: Array
    strength: float = 1.0
    triangle_regions: Array | None = None
    """``[T]``, in place of ``region``."""


class HeadRenderer:
    """Builds meshes once a person, then draws any number of views."""

    def __init__(self, pack: HeadPack, resolution: int = 256, supersampling: int = 2):
        self.pack, self.resolution, self.supersampling = pack, resolution, supersampling
        self._masks = np.ascontiguousarray(np.stack([pack.mask("scalp"), pack.mask("beard")], -1))
        self._opaque = np.ones((1, 1), np.float32)

    def build(self, person: Person) -> list[_Part]:
        """Compose, fit and centre all parts, in scene units."""
        pack = self.pack
        vertices, hair_mesh, hair, centre, scale = place(pack, person)
        placed = ((vertices - centre) * scale).astype(np.float32)

        def proxy(name: str, kind: int, region: int, texture: Array, tint: Array, alpha: Array | None = None,
                  strength: float = 1.0, occlusion: Array | float = 1.0) -> _Part:
            mesh = hair_mesh if name == person.hair else pack.proxies[name]
            points = ((hair if name == person.hair else mesh.fit(vertices)) - centre) * scale
            return _part(kind, region, points.astype(np.float32), mesh.vid, mesh.uv, mesh.tri, occlusion, texture, tint,
                         self._opaque if alpha is None else alpha, strength)

        head = pack.head
        parts = [_part(raster.SKIN, 1, placed[: pack.n_skin], head["skin_vid"].astype(np.int64), head["skin_uv"],
                       head["skin_tri"].astype(np.int64), head["skin_ao"] / np.float32(255), self._skin(person),
                       person.skin_tint, self._opaque)]
        parts[0].triangle_regions = pack.skin_regions
        eye_shade = 0.3 + 0.7 * np.sqrt(pack.proxies["high-poly"].ao / np.float32(255))
        parts.append(proxy("high-poly", raster.EYE, 3, pack.colour(f"eyes/{person.iris}.jpg"), np.full(3, 0.85), occlusion=eye_shade))
        if person.mouth_is_open:
            parts.append(proxy("teeth_base", raster.PLAIN, REGIONS.index("mouth"),
                               pack.colour("teeth.jpg"), np.array([1, 0.88, 0.74]), occlusion=0.45))
        for name, folder, region, tint, strength in (
                (person.brow, "brows", REGIONS.index("brows"), person.brow_colour, person.brow_alpha),
                (person.lash, "lashes", REGIONS.index("skin"), np.array([0.03, 0.025, 0.02]), person.lash_alpha)):
            texture, alpha = pack.card(f"{folder}/{name}")
            parts.append(proxy(name, raster.CARD, region, texture, tint, alpha, strength))
        if person.hair:
            texture, alpha = pack.card(f"hair/{person.hair}")
            parts.append(proxy(person.hair, raster.HAIR, REGIONS.index("hair"), texture, person.hair_colour, alpha))
            if person.hat:
                _clear_under_hat(parts[-1], hair, hair_mesh.vid, accessories.hat_line(pack, vertices))
        for name, make in (("clothing", accessories.clothes), ("glasses", accessories.glasses), ("hat", accessories.hat)):
            worn = getattr(person, name)
            for mesh in make(pack, vertices, worn) if worn else ():
                points = ((mesh.points - centre) * scale).astype(np.float32)
                parts.append(_part(raster.PLAIN, REGIONS.index(name), points, np.arange(len(points)), mesh.uv, mesh.triangles,
                                   1.0, mesh.texture, mesh.tint, self._opaque))
        return parts

    def draw(self, parts: list[_Part], person: Person, cam2world: Array, focal: float) -> View:
        """One view. ``cam2world [4, 4]``, OpenCV axes; ``focal`` in image widths."""
        step = self.supersampling
        size = self.resolution * step
        near = np.zeros((size, size), np.float32)
        hit = np.full((size, size, 2), -1, np.int32)
        bary = np.zeros((size, size, 2), np.float32)
        colour = np.ones((size, size, 3), np.float32)
        world2cam = np.linalg.inv(cam2world).astype(np.float32)
        screens = []
        for number, part in enumerate(parts):
            local = part.attributes[:, :3] @ world2cam[:3, :3].T + world2cam[:3, 3]
            z = local[:, 2]
            screen = np.stack([(focal * local[:, 0] / z + 0.5) * size, (focal * local[:, 1] / z + 0.5) * size, 1 / z], 1)
            screens.append(np.ascontiguousarray(screen, np.float32))
            if part.kind != raster.CARD:
                hair = part.kind == raster.HAIR
                raster.rasterize(screens[-1], part.triangles, np.ascontiguousarray(part.attributes[:, 6:8]), part.alpha,
                                 0.5 if hair else 0.0, part.kind != raster.SKIN, number, near, hit, bary)
        eye = np.ascontiguousarray(cam2world[:3, 3], np.float32)
        mole, patch = np.float32(person.mole or (0, 0, 0)), np.float32(person.patch or (0, 0, 0, 0))
        for number, part in enumerate(parts):
            if part.kind == raster.CARD:
                # Cards are drawn in display colours, shaded by the mean light only.
                tint = np.float32(0.7) * np.clip(part.tint, 0, 1) ** np.float32(1 / 2.2)
                raster.blend(screens[number], part.triangles, np.ascontiguousarray(part.attributes[:, 6:8]), part.alpha,
                             np.float32(part.strength), near, colour, tint, hit, number if part.region == REGIONS.index("brows") else -1)
            else:
                raster.shade(number, part.kind, part.attributes, part.triangles, part.texture, part.tint, hit, bary, colour, eye,
                             person.light_directions, person.light_colours, person.ambient_low, person.ambient_high, self._masks,
                             person.scalp_colour, np.float32(person.scalp_strength), np.float32(person.stubble), mole, patch, raster.GAMMA)
        return self._collect(colour, near, hit, parts)

    def _collect(self, colour: Array, near: Array, hit: Array, parts: list[_Part]) -> View:
        r, s = self.resolution, self.supersampling
        rgb = colour.reshape(r, s, r, s, 3).mean((1, 3))
        alpha = (near > 0).reshape(r, s, r, s).mean((1, 3))
        # The centre of a half-resolution pixel lies between four samples: the nearest of them gives the depth.
        half = r // 2
        block = near.reshape(half, 2 * s, half, 2 * s)[:, s - 1: s + 1, :, s - 1: s + 1].transpose(0, 2, 1, 3).reshape(half, half, 4)
        nearest = block.max(-1)
        with np.errstate(divide="ignore"):
            depth = np.where(nearest > 0, 1 / nearest - 2.7, np.nan)
        shown = hit[s::2 * s, s::2 * s]
        region = np.array([p.region for p in parts] + [0], np.uint8)[shown[..., 0]]
        skin = shown[..., 0] == 0
        region[skin] = parts[0].triangle_regions[shown[skin][:, 1]]
        return View((rgb * 255 + 0.5).astype(np.uint8), (alpha * 255 + 0.5).astype(np.uint8), depth.astype(np.float16), region)

    def _skin(self, person: Person) -> Array:
        shares = list(person.skins.items())
        out = self.pack.colour(f"skins/{shares[0][0]}.jpg") * np.float32(shares[0][1])
        for name, share in shares[1:]:
            out = out + self.pack.colour(f"skins/{name}.jpg") * np.float32(share)
        if {"old_lightskinned_male", "old_darkskinned_female"} & person.skins.keys():  # both are too orange
            cure = np.clip(0.75 - 4 * (person.skin_tint[0] / person.skin_tint[1] - 1), 0, 1)
            out = out * (np.float32([0.74, 1.0, 1.3]) ** np.float32(cure))
        return out


class Placed(NamedTuple):
    """Composed ``vertices [V, 3]`` and ``hair [P, 3]`` in decimetres; ``(p - centre) * scale`` takes both to scene units."""

    vertices: Array
    hair_mesh: Proxy | None
    hair: Array | None
    centre: Array
    scale: np.float32


def place(pack: HeadPack, person: Person) -> Placed:
    """Compose a person and find the frame."""
    vertices, mesh, hair = pack.compose(person.weights), None, None
    if person.hair:
        mesh = pack.proxies[person.hair]
        mesh = mesh.mirrored(pack.mirror) if person.hair_mirrored else mesh
        hair = mesh.fit(vertices, person.hair_volume)
        # What hangs is longer or shorter; the top of the head stays.
        start = vertices[pack.landmarks["glabella"], 1] - 0.1
        hair[:, 1] = np.where(hair[:, 1] < start, start + (hair[:, 1] - start) * person.hair_length, hair[:, 1])
    return Placed(vertices, mesh, hair, *frame(pack, vertices, None if person.hat else hair))


def _clear_under_hat(part: _Part, points: Array, vid: Array, line: Array) -> None:
    """Take away hair that a hat covers."""
    above = (points[vid] @ line[:3] + line[3]) > -0.05
    part.triangles = np.ascontiguousarray(part.triangles[~above[part.triangles].any(1)])


def frame(pack: HeadPack, vertices: Array, hair: Array | None) -> tuple[Array, np.float32]:
    """Centre and scale that put a head into the picture (README of the pack, "Frame")."""
    mark = pack.landmarks
    crown, chin = vertices[mark["crown"], 1], vertices[mark["chin_bottom"], 1]
    height = crown - chin
    top = crown if hair is None else np.clip(np.percentile(hair[:, 1], 99.5), crown, crown + 0.16 * height)
    top, bottom = top + 0.06 * height, chin - 0.17 * height
    skin = vertices[: pack.n_skin]
    back = skin[skin[:, 1] > chin, 2].min()
    eyes = (vertices[pack.head["eye_l_verts"], 0].mean() + vertices[pack.head["eye_r_verts"], 0].mean()) / 2
    centre = np.float32([eyes, (top + bottom) / 2, (back + vertices[mark["glabella"], 2]) / 2])
    return centre, np.float32(FRAME_HEIGHT / (top - bottom))


def _part(kind: int, region: int, points: Array, vid: Array, uv: Array, triangles: Array, occlusion: Array | float,
          texture: Array, tint: Array, alpha: Array, strength: float = 1.0) -> _Part:
    # Normals belong to mesh vertices, not to render vertices, so that texture seams stay invisible.
    normals = vertex_normals(points, vid[triangles])
    shade = np.full(len(vid), occlusion, np.float32) if np.ndim(occlusion) == 0 else occlusion[vid]
    attributes = np.concatenate([points[vid], normals[vid], uv, shade[:, None]], 1).astype(np.float32)
    return _Part(kind, region, attributes, np.ascontiguousarray(triangles.astype(np.int32)),
                 np.ascontiguousarray(texture, np.float32), np.asarray(tint, np.float32), np.ascontiguousarray(alpha, np.float32), strength)
