"""What age does to skin, as a picture of the mean face."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from symgan_core.geometry import DEFAULT_FOCAL, Camera
from symgan_core.geometry.images import mean_within
from symgan_core.portrait.editing.fit import AGE_RANGE

from .heads import HeadPack, HeadRenderer, person_from_code
from .heads.people import Z_DIM


def aged_skin(side: int = 384) -> torch.Tensor:
    """``[1, 1, S, S]`` uint8, as ``AGE_FILE`` holds it: frontal views of the mean head in old and in young skins, evenly lit, compared."""
    pack = HeadPack()
    renderer = HeadRenderer(pack, side)
    person = replace(person_from_code(pack, np.zeros(Z_DIM, np.float32)), hair=None, clothing=None, hat=None, glasses=None, stubble=0.0,
                     scalp_strength=0.0, brow_alpha=0.0, lash_alpha=0.0, skin_tint=np.ones(3, np.float32), mole=None, patch=None,
                     light_colours=np.zeros((3, 3), np.float32), ambient_low=np.full(3, 0.8, np.float32),
                     ambient_high=np.full(3, 0.8, np.float32))
    camera = Camera.orbit(0, 0)
    means = []
    for band in ("old", "young"):
        names = [name for name in pack.skin_names if name.startswith(band)]
        shown = [renderer.draw(renderer.build(p := replace(person, skins={name: 1.0})), p, camera.cam2world[0].numpy(), DEFAULT_FOCAL)
                 for name in names]
        means.append(np.mean([np.log(view.rgb.mean(-1) / 255 + 0.02) for view in shown], 0))
    difference, face = torch.from_numpy(means[0] - means[1])[None, None].float(), torch.from_numpy(shown[0].alpha > 250)[None, None].float()
    width = side // 8 | 1
    wide = mean_within(mean_within(difference, face, width), face, width)  # without beards and shaven heads
    difference = ((difference - wide) * face).clamp(-AGE_RANGE, AGE_RANGE)
    values = (difference / AGE_RANGE + 1) * 127
    return values.round().to(torch.uint8)
