"""The example gallery: three people who do not exist, rendered, inverted and filmed like any photo."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from symgan_core.export import write_orbit
from symgan_core.generator import load_generator
from symgan_core.geometry import DEFAULT_FOCAL, Camera
from symgan_core.inversion import Inversion, Portrait3D, make_target, settings, to_uint8

from .heads import CODE, HeadPack, HeadRenderer, draw_codes, person_from_code

PEOPLE = (
    ("noor", "Noor", 11, -16.0, {"gender": -2.0, "age": -0.3, "hair_style": (3, 3.0), "smile": 1.0}),
    ("emil", "Emil", 5, 8.0, {"gender": 1.4, "age": 0.2, "hair_style": (5, 3.0)}),
    ("ada", "Ada", 23, 22.0, {"gender": -1.6, "age": 0.4, "hair_style": (4, 3.0), "smile": 1.0}),
)
"""Folder, title, seed, yaw of the photo, and what is fixed about the person."""

LICENCE = """# Example portraits

These people do not exist. The pictures were rendered by `training/heads` from CC0 assets (see
`training/assets/heads/LICENSES.md`) and inverted by `symgan_core`; pictures, videos and portraits are CC0 1.0.
`python -m training gallery` makes them again.
"""


YAWS = (-50, -25, 0, 25, 50)
"""Of the heads in the sheet that shows them all."""


def make_gallery(root: Path = Path("examples"), preset: str = "balanced", sheet: Path = Path("docs/gallery.jpg")) -> None:
    """Write a folder a person, the manifest and the licence; and their sheet."""
    pack, generator = HeadPack(), load_generator("builtin", "cpu")
    renderer = HeadRenderer(pack)
    for name, _, seed, yaw, fixed in PEOPLE:
        code = draw_codes(np.random.default_rng(seed), 1)[0]
        for attribute, value in ({"glasses": -2.0, "hat": -2.0} | fixed).items():
            number, value = value if isinstance(value, tuple) else (0, value)
            code[CODE[attribute].start + number] = value
        person = person_from_code(pack, code)
        camera = Camera.orbit(yaw, 4.0)
        view = renderer.draw(renderer.build(person), person, camera.cam2world[0].numpy(), DEFAULT_FOCAL)
        inversion = Inversion(make_target(view.rgb, camera.vector()[0], view.alpha, generator), generator, settings("spi", preset))
        portrait = replace(inversion.finish(), backdrop=None)  # they stand before nothing
        folder = root / name
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(view.rgb).save(folder / "input.png")
        write_orbit(portrait, folder / "orbit.mp4")
        portrait.save(folder)
        print(name, portrait.report["metrics"])
    manifest = {"examples": [{"name": name, "title": title, "licence": "CC0-1.0"} for name, title, *_ in PEOPLE]}
    (root / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    (root / "LICENSE.md").write_text(LICENCE)
    write_sheet(root, sheet)


def write_sheet(root: Path, sheet: Path) -> None:
    """A picture of the gallery in ``root``: a row a person, the photo and the head turned."""
    rows = []
    for name, *_ in PEOPLE:
        portrait = Portrait3D.load(root / name, "cpu")
        turned = [to_uint8(portrait.render(yaw=yaw).image) for yaw in YAWS]
        rows.append(np.concatenate([np.asarray(Image.open(root / name / "input.png").convert("RGB")), *turned], 1))
    Image.fromarray(np.concatenate(rows)).save(sheet, quality=88)
