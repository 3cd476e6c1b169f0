"""The example gallery: a photo in the public domain and people who do not exist, inverted and filmed like any photo."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image

from symgan_core.export import orbit_frames, write_strip, write_video
from symgan_core.generator import TriPlaneGenerator, load_generator
from symgan_core.geometry import DEFAULT_FOCAL, Camera
from symgan_core.inversion import Inversion, PhotoRequest, Portrait3D, make_target, prepare_photo, settings, start_inversion, to_uint8

from .heads import CODE, HeadPack, HeadRenderer, draw_codes, person_from_code


@dataclass(frozen=True)
class Made:
    """A person who does not exist: folder, title, seed, yaw of the photo in degrees, and numbers of the code that are fixed: a value, or
    which of several numbers and its value."""

    name: str
    title: str
    seed: int
    yaw: float
    fixed: dict[str, float | tuple[int, float]] = field(default_factory=dict)


ASTRONAUT = ("eileen", "Eileen Collins")
"""Folder and title of scikit-image's picture of her (NASA, in the public domain)."""
PEOPLE = (
    Made("noor", "Noor", 11, -16.0, {"gender": -2.0, "age": -0.3, "hair_style": (3, 3.0), "smile": 1.0}),
    Made("emil", "Emil", 5, 8.0, {"gender": 1.4, "age": 0.2, "hair_style": (5, 3.0)}),
    Made("ada", "Ada", 23, 42.0, {"gender": -1.6, "age": 0.4, "hair_style": (4, 3.0), "smile": 1.0}),
    Made("kofi", "Kofi", 31, 0.0, {"gender": 1.6, "ethnicity": (0, 2.0), "hair_style": (0, 3.0), "light_side": 2.0}),
    Made("mei", "Mei", 42, -30.0, {"gender": -1.8, "ethnicity": (1, 2.0), "hair_style": (1, 3.0)}),
    Made("otto", "Otto", 8, 12.0, {"gender": 1.5, "age": 1.6, "hair_style": (6, 3.0), "glasses": 1.6}),
    Made("rosa", "Rosa", 17, -8.0, {"gender": -1.4, "age": 1.2, "hair_style": (3, 3.0), "asymmetry": (4, 3.0), "mole": 1.6, "smile": 1.2}),
)
"""From the front and from the side, with a light from one side, glasses, and a face that is not symmetric."""
SIDE, COARSE_SIDE = 512, 128
"""Pixels of a photo of theirs, and of a view in the strip that is on the page first."""

LICENCE = """# Example portraits

`eileen`: the photo is NASA's portrait of Eileen Collins, which is in the public domain (`skimage.data.astronaut()`).
The other people do not exist. Their pictures were rendered by `training/heads` from CC0 assets (see
`training/assets/heads/LICENSES.md`). All were inverted by `symgan_core`; pictures, videos and portraits are CC0 1.0.
`python -m training gallery` makes them again.
"""


YAWS = (-50, -25, 0, 25, 50)
"""Of the heads in the sheet that shows them all."""


def make_gallery(root: Path = Path("examples"), preset: str = "balanced", sheet: Path = Path("docs/gallery.jpg"),
                 detail_sheet: Path = Path("docs/results-astronaut.jpg")) -> None:
    """Write a folder a person, the manifest and the licence; their sheet, and that of the astronaut without and with detail."""
    generator = load_generator("builtin", "cpu")
    for name, photo, inversion in inversions(generator, preset):
        if (root / name / "strip.webp").is_file():
            continue  # a long run that was cut goes on
        portrait = replace(inversion.finish(), backdrop=None)  # they stand before nothing
        folder = root / name
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo).resize((SIDE, SIDE), Image.Resampling.LANCZOS).save(folder / "input.png")
        frames = list(orbit_frames(portrait))
        write_video(frames, folder / "orbit.mp4")
        portrait.save(folder)
        write_strip(frames, folder / "strip.webp")
        write_strip(frames, folder / "coarse.webp", COARSE_SIDE)
        print(name, portrait.report["metrics"], flush=True)
    shown = [ASTRONAUT, *((person.name, person.title) for person in PEOPLE)]
    licences = ["public domain", *("CC0-1.0" for _ in PEOPLE)]
    manifest = {"examples": [{"name": n, "title": t, "licence": x} for (n, t), x in zip(shown, licences, strict=True)]}
    (root / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    (root / "LICENSE.md").write_text(LICENCE)
    write_sheet(root, sheet)
    write_detail_sheet(root / ASTRONAUT[0], detail_sheet)


def inversions(generator: TriPlaneGenerator, preset: str) -> Iterator[tuple[str, np.ndarray, Inversion]]:
    """For each person of the gallery: name, photo, and an inversion that has not begun."""
    from skimage.data import astronaut

    crop = prepare_photo(astronaut(), generator, PhotoRequest())
    inversion = start_inversion(crop, generator, "spi", preset)
    yield ASTRONAUT[0], crop.image if crop.picture is None else crop.picture, inversion
    pack = HeadPack()
    renderer = HeadRenderer(pack, SIDE)
    for made in PEOPLE:
        code = draw_codes(np.random.default_rng(made.seed), 1)[0]
        for attribute, value in ({"glasses": -2.0, "hat": -2.0} | made.fixed).items():
            number, value = value if isinstance(value, tuple) else (0, value)
            code[CODE[attribute].start + number] = value
        person = person_from_code(pack, code)
        camera = Camera.orbit(made.yaw, 4.0)
        view = renderer.draw(renderer.build(person), person, camera.cam2world[0].numpy(), DEFAULT_FOCAL)
        target = make_target(view.rgb, camera.vector()[0], view.alpha, generator)
        yield made.name, view.rgb, Inversion(target, generator, settings("spi", preset))


def write_sheet(root: Path, sheet: Path) -> None:
    """A picture of the gallery in ``root``: a row a person, the photo and the head turned."""
    rows = []
    for name in (ASTRONAUT[0], *(person.name for person in PEOPLE)):
        portrait = Portrait3D.load(root / name, "cpu")
        turned = [to_uint8(portrait.render(yaw=yaw).image) for yaw in YAWS]
        rows.append(np.concatenate([np.asarray(Image.open(root / name / "input.png").convert("RGB").resize((SIDE, SIDE))), *turned], 1))
    Image.fromarray(np.concatenate(rows)).save(sheet, quality=88)


def write_detail_sheet(folder: Path, sheet: Path) -> None:
    """A picture of the portrait in ``folder``, without detail and with it: from the photo's camera, turned, and from behind."""
    portrait, rows = Portrait3D.load(folder, "cpu"), []
    cameras = [portrait.camera, *(portrait.generator.orbit_camera(yaw) for yaw in (-45, -25, 0, 25, 45, 180))]
    for detail in (False, True):
        views = [Image.fromarray(to_uint8(portrait.render(camera, detail=detail).image)) for camera in cameras]
        rows.append(np.concatenate([np.asarray(view.resize((320, 320), Image.Resampling.LANCZOS)) for view in views], 1))
    Image.fromarray(np.concatenate(rows)).save(sheet, quality=88)
