"""From codes to images of features: the mapping, the plane backbone, the super-resolution."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import GeneratorConfig
from .layers import Linear, SynthesisBlock, make_filter, normalise_second_moment
from .warp import PlaneWarp


class MappingNetwork(nn.Module):
    """z and conditioning camera to w (spec 3.2)."""

    w_avg: Tensor

    def __init__(self, config: GeneratorConfig):
        super().__init__()
        self.config = config
        hidden = config.mapping_features
        self.embed = Linear(config.c_dim, hidden)
        widths = [config.z_dim + hidden, *[hidden] * (config.mapping_layers - 1), config.w_dim]
        self.num_layers = config.mapping_layers
        for i in range(self.num_layers):
            layer = Linear(widths[i], widths[i + 1], lr_multiplier=config.mapping_lr_multiplier, activate=True)
            setattr(self, f"fc{i}", layer)
        self.register_buffer("w_avg", torch.zeros(config.w_dim))

    def forward(self, z: Tensor, camera: Tensor) -> Tensor:
        """``z [B, z_dim]``, ``camera [B, 25]`` to ``w [B, w_dim]``."""
        label = torch.zeros_like(camera) if self.config.c_gen_conditioning_zero else camera * self.config.c_scale
        x = torch.cat([normalise_second_moment(z.float()), normalise_second_moment(self.embed(label.float()))], 1)
        for i in range(self.num_layers):
            x = getattr(self, f"fc{i}")(x)
        return x


class PlaneSynthesis(nn.Module):
    """StyleGAN2 skip generator whose "image" is the three planes."""

    def __init__(self, config: GeneratorConfig):
        super().__init__()
        self.resolutions = config.block_resolutions
        for resolution in self.resolutions:
            widths = config.channels(resolution // 2) if resolution > 4 else 0, config.channels(resolution)
            block = SynthesisBlock(
                widths, w_dim=config.w_dim, resolution=resolution, image_channels=3 * config.plane_channels,
                clamp=config.conv_clamp, canvas=config.canvas)
            setattr(self, f"b{resolution}", block)

    def forward(self, ws: Tensor, noise: bool = True, resolution: int | None = None) -> Tensor:
        """``ws [B, num_ws, w_dim]`` to ``[B, 3 * plane_channels, R, R]``; ``resolution`` stops early, at smaller planes."""
        x = image = None
        for i, res in enumerate(self.resolutions):
            # Each torgb shares its w with the next block's conv0, so the windows overlap by one row.
            window = ws[:, max(2 * i - 1, 0): 2 * i + 2]
            x, image = getattr(self, f"b{res}")(x, image, window, noise)
            if res == resolution:
                break
        return image


class Backbone(nn.Module):
    """Holder of ``synthesis`` and ``mapping`` under their official names, and of the built-in generator's ``warp``."""

    def __init__(self, config: GeneratorConfig):
        super().__init__()
        self.synthesis = PlaneSynthesis(config)
        self.mapping = MappingNetwork(config)
        self.warp = PlaneWarp(config) if config.plane_warp else None

    def canonical(self, ws: Tensor, noise: bool = True, resolution: int | None = None) -> Tensor:
        """``[B, 3, C, R, R]``: the planes before ``warp``, if there is one."""
        image = self.synthesis(ws, noise=noise, resolution=resolution)
        return image.reshape(image.shape[0], 3, -1, *image.shape[-2:])


class SuperResolution(nn.Module):
    """Two skip blocks on the rendered features (spec 6); all six layers use the last row of ws, noise is off."""

    def __init__(self, config: GeneratorConfig):
        super().__init__()
        sr = self.sr = config.superresolution
        resolution = sr.input_resolution
        widths = (config.plane_channels, *sr.channels)
        for i in range(2):
            resolution *= 2 if sr.upsample[i] else 1
            block = SynthesisBlock((widths[i], widths[i + 1]), config.w_dim, resolution, 3, up=sr.upsample[i], clamp=sr.clamp)
            setattr(self, f"block{i}", block)
        if sr.own_filter:
            self.register_buffer("resample_filter", make_filter())

    def forward(self, rgb: Tensor, features: Tensor, w: Tensor) -> Tensor:
        """``rgb [B, 3, R, R]``, ``features [B, C, R, R]``, ``w [B, w_dim]`` to ``[B, 3, H, W]``."""
        size, target = features.shape[-1], self.sr.input_resolution
        if size < target or (size != target and self.sr.resize == "differs"):
            rgb, features = (
                F.interpolate(x, (target, target), mode="bilinear", align_corners=False, antialias=self.sr.antialias)
                for x in (rgb, features))
        ws = w[:, None].expand(-1, 3, -1)
        x, rgb = self.block0(features, rgb, ws, noise=False)
        return self.block1(x, rgb, ws, noise=False)[1]
