"""Training of the second look (``symgan_core/faces/closeup.py``) on the pool."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from symgan_core.faces.closeup import REGIONS, CloseNetwork, CloseReading, describe, read_twice
from symgan_core.faces.maps import JAW, heat_line
from symgan_core.generator import TriPlaneGenerator, load_generator
from symgan_core.geometry import Camera
from symgan_core.weights import read_shipped, write_shipped

from .crops import SPOT, Batches, Crops
from .descent import Log, Recipe, Run, Schedule, descend, learn
from .mapping import SHIFT
from .pool import Pool


@torch.no_grad()
def trait_weights(generator: TriPlaneGenerator, yaw: float = 25.0) -> Tensor:
    """``[267]``: how much a standard deviation of each trait changes pictures, as a mean square over its mean; between 0.03 and 8."""
    config = generator.config
    w, camera = generator.backbone.mapping.w_avg[None], Camera.orbit(yaw, 0).vector()

    def pictures(at: Tensor) -> Tensor:
        ws = at[:, None].expand(-1, config.num_ws, -1)
        planes = generator.planes(ws, resolution=config.plane_resolution // 4)
        return generator.view(planes, ws, camera, 32).image_raw

    middle = pictures(w)
    effect = torch.stack([(pictures(w + e) - middle).square().mean() for e in torch.eye(config.w_dim)])
    return (effect / effect.mean()).clamp(0.03, 8)


def spread(heat: Tensor, points: Tensor, spot: float = SPOT) -> Tensor:
    """``[B, P]``: how far maps ``[B, P, S, S]`` (logits) are from a spot of that size around ``points [B, P, 2]`` (Kullback-Leibler).

    It brings the peak to the right place; the place that is read around the peak (``places_of``) is then made exact.
    """
    line = heat_line(heat)
    across, down = (torch.softmax(-(line - points[..., i, None]).square() / (2 * spot**2), -1) for i in (0, 1))
    aim = down[..., None] * across[..., None, :]
    return F.kl_div(heat.flatten(2).log_softmax(-1), aim.flatten(2), reduction="none").sum(-1)


def losses(reading: CloseReading, heat: Tensor, truth: CloseReading, kinds: Tensor) -> dict[str, Tensor]:
    """``heat [B, 68, S, S]``: what the points are means of; ``kinds [12]``: weights of the regions."""
    sure = 0.25 + 0.75 * truth.visible
    away = (reading.points - truth.points).abs().sum(-1)
    away[:, :JAW] *= 0.4  # along the jaw, a point's place is a convention
    return {
        "points": 40 * (away * sure).mean(),
        "spots": 0.25 * (spread(heat, truth.points) * sure).mean(),
        "visible": 0.2 * F.binary_cross_entropy_with_logits(reading.visible, truth.visible),
        "angles": (reading.angles - truth.angles).abs().mean() / 10,
        "frame": 6 * ((reading.frame - truth.frame).abs().mean(1) / truth.frame[:, :2].norm(dim=1)).mean(),
        "regions": F.cross_entropy(reading.regions, truth.regions, kinds),
    }


def train(pool: Pool, run: Run, batch: int = 32) -> CloseNetwork:
    """Train for a time budget, then the encoder; write the weights (half precision) with their hash."""
    crops, network = Crops(pool, run.seed), CloseNetwork().to(memory_format=torch.channels_last)
    if run.start:
        network.load_state_dict(read_shipped(run.start), strict=False)
    kinds = torch.ones(len(REGIONS))
    kinds[[REGIONS.index(n) for n in ("eyes", "mouth", "brows")]] = 2.0

    def parts(example: tuple[Tensor, CloseReading, Tensor]) -> dict[str, Tensor]:
        pictures, truth, _ = example
        return losses(*network.read(pictures.contiguous(memory_format=torch.channels_last)), truth, kinds)

    learn(network, Batches(crops, batch), parts, Recipe(3e-3, 0.01, clip=5.0), run)
    network.eval()
    run.log(judge(network, crops))
    train_code(network, crops, trait_weights(load_generator("builtin", "cpu")), log=run.log)
    write_shipped(network.state_dict(), run.out)
    return network


def train_code(network: CloseNetwork, crops: Crops, weights: Tensor, count: int = 16_000, steps: int = 8000, batch: int = 256,
               log: Log = print) -> None:
    """Train the encoder in place, on what the rest of the network reads in ``count`` crops; ``weights [267]`` of the traits."""
    features, w = described(network, crops, count)
    code = network.code
    code.mean_in.copy_(features.mean(0))
    code.scale_in.copy_(features.std(0).clamp(min=0.02))
    code.mean.copy_(w.mean(0))
    code.scale.copy_(w.std(0).clamp(min=1e-3))
    weights = weights / code.scale.square().clamp(min=0.05)

    def loss() -> Tensor:
        rows = torch.randint(0, count, (batch,))
        return ((code(features[rows]) - w[rows]).square() * weights).mean()

    code.train()
    descend(list(code.parameters()), loss, Schedule(steps, 2e-3, min(200, steps // 4), 0.02), log, "encoder")
    code.eval()
    with torch.no_grad():
        features, truth = described(network, crops, max(count // 10, 1), kept_back=True)
        left, plain = (code(features) - truth).square().mean(0), (code.mean - truth).square().mean(0)
        log(f"kept back: {1 - float((left * weights).sum() / (plain * weights).sum()):.3f} of the traits' weighted variance is read")
        code.mean.add_(SHIFT)  # what ships speaks of the generator's own w


@torch.no_grad()
def described(network: CloseNetwork, crops: Crops, count: int, kept_back: bool = False) -> tuple[Tensor, Tensor]:
    """What the encoder gets to know of ``count`` gently distorted crops ``[count, FEATURES]``, and their w ``[count, 267]``."""
    features, ws = [], []
    for start in range(0, count, 64):
        pictures, _, w = crops.draw(min(64, count - start), kept_back, gently=True)
        features.append(describe(pictures, read_twice(network, pictures)[0]))
        ws.append(w)
    return torch.cat(features), torch.cat(ws)


@torch.no_grad()
def judge(network: CloseNetwork, crops: Crops, count: int = 640) -> str:
    """Points, pose and regions on people kept back, with the same distortions."""
    parts = [crops.draw(64, kept_back=True) for _ in range(count // 64)]
    reading = CloseReading(*(torch.cat(x) for x in zip(*(read_twice(network, p)[0] for p, *_ in parts), strict=True)))
    truth = CloseReading(*(torch.cat(x) for x in zip(*(t for _, t, _ in parts), strict=True)))
    eyes = (truth.points[:, 36:42].mean(1) - truth.points[:, 42:48].mean(1)).norm(dim=1)
    away = (reading.points - truth.points).norm(dim=-1)
    near = torch.arange(len(away)) % 2 == 0  # every other look is a closer one
    errors = [float((away / eyes[:, None])[rows][truth.visible[rows] > 0].mean())
              for rows in ((truth.angles[:, 0].abs() < 45) & part for part in (near, ~near))]
    kinds = reading.regions.argmax(1)
    iou = {n: float(((kinds == i) & (truth.regions == i)).sum() / ((kinds == i) | (truth.regions == i)).sum().clamp(min=1))
           for i, n in enumerate(REGIONS)}
    yaw, pitch = (reading.angles - truth.angles).abs().mean(0).tolist()
    return (f"kept back: points {100 * errors[0]:.2f} % of the eye distance from near, {100 * errors[1]:.2f} % from afar, yaw {yaw:.2f} "
            f"pitch {pitch:.2f} degrees, IoU " + ", ".join(f"{n} {v:.2f}" for n, v in iou.items()))
