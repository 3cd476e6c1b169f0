from dataclasses import replace

import torch

from symgan_core.generator import load_generator
from symgan_core.geometry import Camera
from symgan_core.geometry.images import eroded
from symgan_core.inversion import (
    make_target,
    settings,
)
from symgan_core.inversion.appearance.gate import SurfaceGate
from symgan_core.inversion.appearance.offset import OptimizePlanes
from symgan_core.inversion.state import State, TuningStage
from symgan_core.inversion.tuning import tune_generator
from symgan_core.losses import load_perceptual
from tests.inversion.heads import photo_of


def test_what_is_learned_of_the_face_does_not_show_behind_it() -> None:
    generator = load_generator("builtin", "cpu")
    image, mask, camera = photo_of(generator, 0)
    target, changes = make_target(255 - image // 3, camera, mask, generator), {}
    ws = generator.mapping(torch.randn(1, 256, generator=torch.Generator().manual_seed(5)), target.camera)
    for gated in (False, True):
        config = settings("spi", "fast")
        planes = OptimizePlanes(gate=SurfaceGate() if gated else None)
        config = replace(config, tuning=replace(config.tuning, steps=4, prepare=(planes,)))
        state = State(generator, ws, target.camera)
        rng = torch.Generator().manual_seed(0)
        list(tune_generator(TuningStage(state, target, config, load_perceptual("gradient", generator.device), rng), {}))
        planes = generator.planes(ws)
        with torch.no_grad():
            after = state.offset.added_to(planes)
            for yaw in (0.0, 180.0):
                views = [generator.render(p, Camera.orbit(yaw, 0).vector(), 64) for p in (planes, after)]
                inner = eroded(torch.minimum(*(view.opacity for view in views)), 4) > 0.9  # beside the outline the front shows
                changes[gated, yaw] = float(((views[0].features - views[1].features).abs().mean(1, keepdim=True)[inner]).mean())
    assert changes[True, 0.0] > 0.5 * changes[False, 0.0], changes
    assert changes[True, 180.0] < 0.1 * changes[False, 180.0], changes
