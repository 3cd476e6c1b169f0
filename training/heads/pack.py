"""The CC0 head pack: meshes, morph targets and textures (``training/assets/heads/README.md`` explains the files)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from symgan_core.faces.closeup import REGIONS  # what a pixel shows; ``View.region`` holds indices into this

ASSETS = Path(__file__).parents[1] / "assets" / "heads"
Array = np.ndarray


@dataclass
class Proxy:
    """A mesh that hangs on the base mesh: hair, brows, lashes, eyes, teeth."""

    fit_idx: Array
    fit_w: Array
    fit_off: Array
    scale_idx: Array
    scale_ref: Array
    vid: Array
    uv: Array
    tri: Array
    ao: Array | None = None
    tri_cornea: Array | None = None

    def fit(self, vertices: Array, volume: float = 1.0) -> Array:
        """Positions ``[P, 3]`` that follow the composed base ``vertices [V, 3]``; ``volume`` multiplies the distance from them."""
        axes = np.arange(3)
        scale = np.abs(vertices[self.scale_idx[:, 0], axes] - vertices[self.scale_idx[:, 1], axes]) / self.scale_ref
        return (vertices[self.fit_idx] * self.fit_w[..., None]).sum(1) + self.fit_off * scale * np.float32(volume)

    def mirrored(self, mirror: Array) -> Proxy:
        """The same mesh on the other side of the head (hair parted the other way)."""
        return Proxy(mirror[self.fit_idx], self.fit_w, self.fit_off * np.float32([-1, 1, 1]), self.scale_idx, self.scale_ref,
                     self.vid, self.uv, np.ascontiguousarray(self.tri[:, ::-1]), self.ao)


@dataclass
class HeadPack:
    """All assets, loaded once; textures are decoded on first use, to linear light."""

    root: Path = ASSETS
    _textures: dict[str, Array] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.head = dict(np.load(self.root / "head.npz"))
        self.base = self.head["base"].astype(np.float32)
        self.n_skin = int(self.head["n_skin"])
        self.mirror = self.head["mirror"].astype(np.int64)
        self.landmarks = {str(n): int(i) for n, i in zip(self.head["landmark_names"], self.head["landmarks"], strict=True)}
        self.proxies: dict[str, Proxy] = {}
        for kind in ("hair", "brows", "lashes", "eyes", "teeth"):
            self._read_proxies(kind)

    def _read_proxies(self, kind: str) -> None:
        arrays = dict(np.load(self.root / f"{kind}.npz"))
        for name in sorted({key.split("/")[0] for key in arrays}):
            parts = {key.split("/")[1]: value for key, value in arrays.items() if key.startswith(name + "/")}
            ints = {k: parts[k].astype(np.int64) for k in ("fit_idx", "vid", "tri", "scale_idx")}
            self.proxies[name] = Proxy(**{**parts, **ints})

    @cached_property
    def targets(self) -> dict[str, tuple[Array, Array]]:
        """Morph targets: name to (vertex numbers, offsets)."""
        t = np.load(self.root / "targets.npz")
        idx, q, offset = t["idx"].astype(np.int64), t["q"].astype(np.float32), t["offset"]
        return {str(name): (idx[offset[i]:offset[i + 1]], q[offset[i]:offset[i + 1]] * t["scale"][i])
                for i, name in enumerate(t["names"])}

    @cached_property
    def shape_modifiers(self) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
        """Symmetric shape axes: (targets for positive weights, targets for negative weights), both sides of the face at once."""
        sense = re.compile(r"-(incr|decr|in|out|up|down|forward|backward|concave|convex|compress|uncompress)$")
        axis = {"in": "h", "out": "h", "up": "v", "down": "v", "forward": "d", "backward": "d"}
        groups: dict[str, list[str]] = {}
        for name in self.targets:
            kind = name.split("/")[0]
            if kind not in ("head", "forehead", "nose", "mouth", "chin", "cheek", "eyes", "ears", "eyebrows", "neck"):
                continue
            if "/r-" in name or re.search(r"head/head-(trans|age|angle)|neck-trans|nose-trans-(in|out)|mouth-trans-(in|out)", name):
                continue
            match = sense.search(name)
            key = sense.sub("", name) + (axis.get(match[1], "") if match and "-trans" in name else "")
            groups.setdefault(key, []).append(name)
        out = []
        for names in groups.values():
            sides = [(n, n.replace("/l-", "/r-")) if "/l-" in n else (n,) for n in names]
            out.append((sides[0], sides[1] if len(sides) > 1 else ()))
        return out

    @cached_property
    def asymmetries(self) -> list[tuple[str, str]]:
        """One-sided shape errors: (target for positive weights, target for negative weights)."""
        lefts = [n for n in self.targets if n.startswith("asym/") and n.endswith("-l")]
        return [(n, n[:-1] + "r") for n in lefts]

    def moved_by(self, prefix: str, threshold: float) -> Array:
        """Skin vertices that some target of this prefix moves by more than ``threshold`` decimetres."""
        far = np.zeros(len(self.base))
        for name, (idx, delta) in self.targets.items():
            if name.startswith(prefix):
                far[idx] = np.maximum(far[idx], np.linalg.norm(delta, axis=1))
        return np.flatnonzero(far[: self.n_skin] > threshold)

    @cached_property
    def ears(self) -> Array:
        """Skin vertices of both ears: what the ear targets move, as far as it stands out to the sides."""
        found = self.moved_by("ears/", 0.05)
        return found[np.abs(self.base[found, 0]) > 0.62]

    @cached_property
    def nose(self) -> Array:
        """Skin vertices of the nose."""
        found = self.moved_by("nose/", 0.03)
        return found[(np.abs(self.base[found, 0]) < 0.19) & (self.base[found, 2] > 1.38)]

    @cached_property
    def skin_corners(self) -> Array:
        """``[T, 3]``: base vertices of each skin triangle."""
        return self.head["skin_vid"].astype(np.int64)[self.head["skin_tri"].astype(np.int64)]

    @cached_property
    def skin_regions(self) -> Array:
        """``[T]`` uint8: what each skin triangle shows, as an index into ``REGIONS``."""
        head, corners = self.head, self.skin_corners
        out = np.full(len(corners), REGIONS.index("skin"), np.uint8)
        out[head["skin_tri_region"] == 1] = REGIONS.index("neck")
        below = self.base[corners, 1].mean(1) < self.base[self.landmarks["chin_bottom"], 1] + 0.02
        behind = (self.base[corners, 2].mean(1) < 0.75) & (self.base[corners, 1].mean(1) < self.base[self.landmarks["lower_lip"], 1])
        out[below | behind] = REGIONS.index("neck")
        for name, vertices in (("nose", self.nose), ("ears", self.ears)):
            inside = np.zeros(len(self.base), bool)
            inside[vertices] = True
            out[inside[corners].all(1)] = REGIONS.index(name)
        mask, uv = self.mask("lips"), head["skin_uv"][head["skin_tri"].astype(np.int64)].mean(1)
        height, width = mask.shape
        lips = mask[(uv[:, 1] * height).astype(int).clip(0, height - 1), (uv[:, 0] * width).astype(int).clip(0, width - 1)] > 0.4
        out[lips | (head["skin_tri_region"] == 2)] = REGIONS.index("mouth")
        return out

    def compose(self, weights: dict[str, float]) -> Array:
        """Base vertices ``[V, 3]`` plus weighted targets, in decimetres."""
        vertices = self.base.copy()
        for name, weight in weights.items():
            if weight:
                idx, delta = self.targets[name]
                vertices[idx] += np.float32(weight) * delta
        return vertices

    def colour(self, relative: str) -> Array:
        """An opaque texture, ``[H, W, 3]`` float32 in linear light."""
        if relative not in self._textures:
            image = Image.open(self.root / relative).convert("RGB")
            self._textures[relative] = (np.asarray(image, np.float32) / 255) ** 2.2
        return self._textures[relative]

    def card(self, relative: str) -> tuple[Array, Array]:
        """A hair, brow or lash texture: relative brightness ``[H, W, 1]`` with mean 1, and coverage ``[H, W]``."""
        if relative not in self._textures:
            rgb = Image.open(self.root / f"{relative}_rgb.jpg").convert("L")
            alpha = Image.open(self.root / f"{relative}_alpha.png").convert("L")
            size = min(512, rgb.width)
            grey = np.asarray(rgb.resize((size, size), Image.Resampling.BOX), np.float32)
            cover = np.asarray(alpha.resize((size, size), Image.Resampling.BOX), np.float32) / 255
            relative_grey = grey / max(grey[cover > 0.25].mean(), 1)
            spread = relative_grey[cover > 0.25].std()
            relative_grey = (1 + (relative_grey - 1) * min(1.3, 0.45 / max(spread, 1e-3))).clip(0.06, 2)
            self._textures[relative] = relative_grey[..., None] ** np.float32(1.4)
            self._textures[relative + "/alpha"] = np.ascontiguousarray(cover)
        return self._textures[relative], self._textures[relative + "/alpha"]

    def mask(self, name: str) -> Array:
        """A grey mask in the skin atlas, ``[H, W]`` in [0, 1]."""
        key = f"masks/{name}.png"
        if key not in self._textures:
            self._textures[key] = np.asarray(Image.open(self.root / key).convert("L"), np.float32) / 255
        return self._textures[key]

    @cached_property
    def skin_names(self) -> tuple[str, ...]:
        """Names of the skin atlases, sorted."""
        return tuple(sorted(path.stem for path in (self.root / "skins").glob("*.jpg")))

    def names(self, pattern: str) -> list[str]:
        """Proxy names that match a regular expression, sorted."""
        return sorted(n for n in self.proxies if re.match(pattern, n))
