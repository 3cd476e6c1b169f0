"""One-off: where the points of MediaPipe's mesh lie on the built-in generator's mean head.

``python -m training.mesh_head`` renders random people, reads the mesh in each view and takes what the render's depth has there: the median
in world units over all views, written to ``symgan_core/faces/weights/mediapipe/head.safetensors``.
"""

from __future__ import annotations

import numpy as np
import torch

from symgan_core.faces.frames import Pyramid
from symgan_core.faces.mesh import HEAD, PRESENT, read_mesh
from symgan_core.generator import Head, load_generator
from symgan_core.geometry.warp import sample_image, unproject
from symgan_core.weights import write_shipped

PEOPLE, VIEWS = 150, 2
DOUBT = 0.008
"""World units: a point that differs so much from person to person (median) counts half of one that does not, in the fit.
Where hair hangs over a forehead it is the hair's depth that is seen."""
TURNED, TILTED = 25.0, 12.0
"""Degrees, at most: nothing of the face is hidden."""
SQUARE = (160.0, 0.0, 128.0, 140.0)
"""Where the face lies in a render of 256 pixels."""


@torch.no_grad()
def mean_head(seed: int = 11) -> tuple[np.ndarray, np.ndarray]:
    """Points ``[468, 3]``, world units, and weights ``[468]``."""
    generator, rng = load_generator("builtin", "cpu"), torch.Generator().manual_seed(seed)
    found = []
    for _ in range(PEOPLE):
        ws = generator.mapping(torch.randn(1, generator.config.z_dim, generator=rng), generator.frontal_camera())
        head = Head.of(generator, ws, part=2)
        for _ in range(VIEWS):
            yaw, pitch = ((2 * torch.rand(2, generator=rng) - 1) * torch.tensor([TURNED, TILTED])).tolist()
            camera = head.orbit(yaw, pitch)
            out = head.view(camera, 256)
            mesh = read_mesh(Pyramid(out.image.clamp(-1, 1)), np.array(SQUARE), looks=3)
            if mesh.present > PRESENT:
                world = unproject(out.image_depth, camera).permute(0, 3, 1, 2)
                places = torch.from_numpy(mesh.points / out.image.shape[-1]).float()
                found.append(sample_image(world, places[None, None])[0, :, 0].T.numpy())
    middle = np.median(found, 0)
    spread = np.median(np.linalg.norm(np.stack(found) - middle, axis=2), 0)
    return middle, 1 / (1 + (spread / DOUBT) ** 2)


if __name__ == "__main__":
    points, weights = mean_head()
    write_shipped({"points": torch.from_numpy(points), "weights": torch.from_numpy(weights)}, HEAD)
