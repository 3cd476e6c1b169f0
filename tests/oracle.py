"""A plain transcription of the EG3D specification: one function a section, fp32, nothing cached, nothing skipped, no batching of views.

It shares no code with ``symgan_core``. Tests compare the generator with it on random settings; the benchmark compares their times.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

State = dict[str, Tensor]


@dataclass(frozen=True)
class Settings:
    """What the state dict does not say (section 1)."""

    sizes: tuple[int, ...] = (4, 8, 16, 32, 64, 128, 256)
    mapping_layers: int = 2
    resolution: int = 128
    samples: tuple[int, int] = (48, 48)
    ray: tuple[float, float] = (2.25, 3.3)
    box_warp: float = 1.0
    sr_up: tuple[bool, bool] = (True, True)
    sr_input: int = 128
    sr_resize_smaller_only: bool = False
    sr_clamp: float = 256.0


def linear(state: State, name: str, x: Tensor, m: float = 1.0) -> Tensor:
    """3.1."""
    weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
    return x @ (weight * (m / math.sqrt(weight.shape[1]))).T + bias * m


def mapping(state: State, z: Tensor, camera: Tensor, layers: int = 2) -> Tensor:
    """3.2: ``w [1, 512]``."""

    def normalise(x: Tensor) -> Tensor:
        return x / (x.square().mean(1, keepdim=True) + 1e-8).sqrt()

    x = torch.cat([normalise(z), normalise(linear(state, "backbone.mapping.embed", camera))], 1)
    for i in range(layers):
        x = F.leaky_relu(linear(state, f"backbone.mapping.fc{i}", x, 0.01), 0.2) * math.sqrt(2)
    return x


def conv(state: State, name: str, x: Tensor, w: Tensor, up: bool, noise: bool, clamp: float | None) -> Tensor:
    """3.3, in the fused form: the weights themselves are modulated."""
    weight = state[f"{name}.weight"] * linear(state, f"{name}.affine", w)[0][None, :, None, None]
    weight = weight * (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).rsqrt()
    if up:
        x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
        kernel = (state[f"{name}.resample_filter"] * 4)[None, None].repeat(x.shape[1], 1, 1, 1)
        x = F.conv2d(F.pad(x, (1, 1, 1, 1)), kernel, groups=x.shape[1])
    else:
        x = F.conv2d(x, weight, padding=1)
    if noise:
        x = x + state[f"{name}.noise_const"] * state[f"{name}.noise_strength"]
    x = F.leaky_relu(x + state[f"{name}.bias"][None, :, None, None], 0.2) * math.sqrt(2)
    return x if clamp is None else x.clamp(-clamp, clamp)


def torgb(state: State, name: str, x: Tensor, w: Tensor, clamp: float | None) -> Tensor:
    """3.4."""
    style = linear(state, f"{name}.affine", w)[0] / math.sqrt(x.shape[1])
    x = F.conv2d(x, state[f"{name}.weight"] * style[None, :, None, None], state[f"{name}.bias"])
    return x if clamp is None else x.clamp(-clamp, clamp)


def upsample(x: Tensor) -> Tensor:
    """3.5: per axis ``out[2i] = (x[i-1] + 3 x[i]) / 4``, ``out[2i+1] = (3 x[i] + x[i+1]) / 4``, zeros outside."""
    for axis in (2, 3):
        x = x.transpose(axis, 3)
        before, after = F.pad(x, (1, 0))[..., :-1], F.pad(x, (0, 1))[..., 1:]
        x = torch.stack([(before + 3 * x) / 4, (3 * x + after) / 4], -1).flatten(-2).transpose(axis, 3)
    return x


def backbone(state: State, w: Tensor, settings: Settings) -> Tensor:
    """3.5: ``[1, 96, 256, 256]``; all rows of ws are w."""
    image = x = None
    for size in settings.sizes:
        name = f"backbone.synthesis.b{size}"
        x = state[f"{name}.const"][None] if size == 4 else conv(state, f"{name}.conv0", x, w, True, True, None)
        x = conv(state, f"{name}.conv1", x, w, False, True, None)
        rgb = torgb(state, f"{name}.torgb", x, w, None)
        image = rgb if image is None else upsample(image) + rgb
    return image


def rays(camera: Tensor, resolution: int) -> tuple[Tensor, Tensor]:
    """4.2: origin ``[3]`` and directions ``[R * R, 3]``."""
    pose, k = camera[0, :16].reshape(4, 4), camera[0, 16:].reshape(3, 3)
    line = (torch.arange(resolution) + 0.5) / resolution
    v, u = torch.meshgrid(line, line, indexing="ij")
    x = (u - k[0, 2] + k[1, 2] * k[0, 1] / k[1, 1] - k[0, 1] * v / k[1, 1]) / k[0, 0]
    y = (v - k[1, 2]) / k[1, 1]
    points = torch.stack([x, y, torch.ones_like(x), torch.ones_like(x)], -1).reshape(-1, 4) @ pose.T
    directions = points[:, :3] - pose[:3, 3]
    return pose[:3, 3], directions / directions.norm(dim=1, keepdim=True)


def decode(state: State, planes: Tensor, points: Tensor, box_warp: float) -> tuple[Tensor, Tensor]:
    """5.1 and 5.2: raw density ``[P]`` and features ``[P, 32]`` at ``points [P, 3]``."""
    x, y, z = (points * (2 / box_warp)).unbind(-1)
    total = 0
    for plane, (a, b) in zip(planes.reshape(3, 1, -1, *planes.shape[2:]), ((x, y), (x, z), (z, x)), strict=True):
        grid = torch.stack([a, b], -1)[None, None]
        total = total + F.grid_sample(plane, grid, mode="bilinear", padding_mode="zeros", align_corners=False)[0, :, 0].T
    out = linear(state, "decoder.net.2", F.softplus(linear(state, "decoder.net.0", total / 3)))
    return out[:, 0], 1.002 * torch.sigmoid(out[:, 1:]) - 0.001


def weights_of(sigma: Tensor, depths: Tensor) -> Tensor:
    """5.4: ``[M, S - 1]``."""
    delta = depths[:, 1:] - depths[:, :-1]
    alpha = 1 - torch.exp(-F.softplus((sigma[:, 1:] + sigma[:, :-1]) / 2 - 1) * delta)
    passed = torch.cumprod(torch.cat([torch.ones_like(alpha[:, :1]), 1 - alpha + 1e-10], 1), 1)[:, :-1]
    return alpha * passed


def importance(weights: Tensor, depths: Tensor, count: int) -> Tensor:
    """5.5, with ``u_i = (i + 0.5) / count``."""
    padded = F.pad(weights, (1, 1), value=-math.inf)
    m = torch.maximum(padded[:, :-1], padded[:, 1:])
    a = ((m[:, :-1] + m[:, 1:]) / 2 + 0.01)[:, 1:-1] + 1e-5
    cdf = F.pad(torch.cumsum(a / a.sum(1, keepdim=True), 1), (1, 0))
    bins = (depths[:, 1:] + depths[:, :-1]) / 2
    u = ((torch.arange(count) + 0.5) / count).expand(len(cdf), -1).contiguous()
    k = torch.searchsorted(cdf, u, right=True)
    low, high = (k - 1).clamp(min=0), k.clamp(max=cdf.shape[1] - 1)
    span = cdf.gather(1, high) - cdf.gather(1, low)
    span = torch.where(span < 1e-5, torch.ones_like(span), span)
    return bins.gather(1, low) + (u - cdf.gather(1, low)) / span * (bins.gather(1, high) - bins.gather(1, low))


def render(state: State, planes: Tensor, camera: Tensor, settings: Settings) -> tuple[Tensor, Tensor]:
    """5.3 to 5.6: features ``[1, 32, R, R]`` and depth ``[1, 1, R, R]``, samples at bin midpoints."""
    origin, directions = rays(camera, settings.resolution)
    near, far = settings.ray
    count = settings.samples[0]
    coarse = (torch.linspace(near, far, count) + 0.5 * (far - near) / (count - 1)).expand(len(directions), -1)

    def look(depths: Tensor) -> tuple[Tensor, Tensor]:
        points = origin + directions[:, None] * depths[..., None]
        sigma, features = decode(state, planes, points.reshape(-1, 3), settings.box_warp)
        return sigma.reshape(depths.shape), features.reshape(*depths.shape, -1)

    sigma, features = look(coarse)
    fine = importance(weights_of(sigma, coarse), coarse, settings.samples[1])
    more_sigma, more_features = look(fine)
    depths, order = torch.cat([coarse, fine], 1).sort(1)
    sigma = torch.cat([sigma, more_sigma], 1).gather(1, order)
    features = torch.cat([features, more_features], 1).gather(1, order[..., None].expand(-1, -1, features.shape[-1]))
    weights = weights_of(sigma, depths)
    colour = 2 * (weights[..., None] * (features[:, 1:] + features[:, :-1]) / 2).sum(1) - 1
    depth = (weights * (depths[:, 1:] + depths[:, :-1]) / 2).sum(1) / weights.sum(1)
    depth = depth.nan_to_num(math.inf).clamp(depths.min(), depths.max())
    return (colour.T.reshape(1, -1, settings.resolution, settings.resolution),
            depth.reshape(1, 1, settings.resolution, settings.resolution))


def super_resolve(state: State, features: Tensor, w: Tensor, settings: Settings) -> Tensor:
    """Section 6."""
    image, x, size = features[:, :3], features, settings.sr_input
    if features.shape[-1] < size or (features.shape[-1] != size and not settings.sr_resize_smaller_only):
        image, x = (F.interpolate(t, (size, size), mode="bilinear", align_corners=False, antialias=True) for t in (image, x))
    for i, up in enumerate(settings.sr_up):
        name = f"superresolution.block{i}"
        x = conv(state, f"{name}.conv0", x, w, up, False, settings.sr_clamp)
        x = conv(state, f"{name}.conv1", x, w, False, False, settings.sr_clamp)
        image = (upsample(image) if up else image) + torgb(state, f"{name}.torgb", x, w, settings.sr_clamp)
    return image


def synthesis(state: State, w: Tensor, camera: Tensor, settings: Settings = Settings()) -> tuple[Tensor, Tensor, Tensor]:
    """Image, raw image and depth of one code from one camera."""
    features, depth = render(state, backbone(state, w, settings), camera, settings)
    return super_resolve(state, features, w, settings), features[:, :3], depth
