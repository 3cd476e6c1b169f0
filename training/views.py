"""A multi-view file with ground truth (``evaluate`` and ``python -m training measure`` read it), of people that no pool holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from symgan_core.geometry import DEFAULT_FOCAL, Camera

from .heads import HeadPack, HeadRenderer, draw_codes, person_from_code
from .heads.backgrounds import draw_background, over_background
from .heads.people import CODE
from .unseen import UnseenPack

ONE_LAMP = {"light_side": 1.4, "light_height": 0.0, "light_strength": 2.0, "light_fill": -1.8, "light_ambient": -1.5}
"""Numbers of a code with which one strong lamp stands at the person's left."""
YAWS = (-60.0, -40.0, -20.0, 0.0, 20.0, 40.0, 60.0)
RESOLUTION = 256


def write_views(path: Path, people: int, seed: int = 77, one_lamp: bool = False, unseen: bool = False) -> None:
    """Render ``people`` from seven sides and one given view each, before backgrounds, and write the file.

    ``one_lamp``: all light comes from one side, and the given view is a side view, by turns from the bright and from the dark side.
    ``unseen``: shapes, skins and strands of hair are none that a pool holds.
    """
    rng = np.random.default_rng(seed)
    pack = UnseenPack() if unseen else HeadPack()
    renderer, count = HeadRenderer(pack, RESOLUTION), len(YAWS) + 1
    images = np.zeros((people, count, RESOLUTION, RESOLUTION, 3), np.uint8)
    masks = np.zeros(images.shape[:-1], np.uint8)
    depths = np.zeros((people, count, RESOLUTION // 2, RESOLUTION // 2), np.float16)
    cameras = np.zeros((people, count, 25), np.float32)
    for n, code in enumerate(draw_codes(rng, people)):
        if one_lamp:
            for name, value in ONE_LAMP.items():
                code[CODE[name].start] = value
        if unseen:
            pack.renew(rng)
        person = person_from_code(pack, code)
        parts, background = renderer.build(person), draw_background(rng, RESOLUTION)
        given = float(rng.uniform(-45, 45))
        if one_lamp:
            given = (25 + abs(given) * 20 / 45) * (-1) ** n
        for v, yaw in enumerate((*YAWS, given)):
            camera = Camera.orbit(yaw, float(rng.normal(0, 6)) if v == len(YAWS) else 0.0)
            view = renderer.draw(parts, person, camera.cam2world[0].numpy(), DEFAULT_FOCAL)
            images[n, v], masks[n, v], depths[n, v] = over_background(view.rgb, view.alpha, background), view.alpha, view.depth
            cameras[n, v] = camera.vector()[0].numpy()
    np.savez_compressed(
        path, images=images, masks=masks, depths=depths, depth_offset=np.float32(2.7), cameras=cameras,
        input_view=np.full(people, len(YAWS), np.int64), names=np.array([f"person-{n}" for n in range(people)]))
