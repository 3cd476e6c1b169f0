"""StyleGAN2 layers in plain PyTorch, written from ``shared/spec/eg3d.md`` section 3; names of weights are the official ones."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SQRT2 = math.sqrt(2)


def make_filter() -> Tensor:
    """``[4, 4]``: outer product of [1, 3, 3, 1] with itself, sum 1."""
    taps = (1, 3, 3, 1)
    return torch.tensor([[across * down / 64 for across in taps] for down in taps])


def upsample2x(image: Tensor, kernel: Tensor) -> Tensor:
    """Double ``[B, C, H, W]`` with the 4x4 FIR; the image is zero outside (spec 3.5)."""
    channels = image.shape[1]
    weight = (kernel * 4).expand(channels, 1, 4, 4)
    return F.conv_transpose2d(image, weight, stride=2, padding=1, groups=channels)


def normalise_second_moment(x: Tensor) -> Tensor:
    """Scale rows ``[B, C]`` to mean square 1."""
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)


class Linear(nn.Module):
    """Linear layer with equalised learning rate: stored weights are 1/lr_multiplier times larger."""

    def __init__(self, in_features: int, out_features: int, bias_init: float = 0.0, lr_multiplier: float = 1.0,
                 activate: bool = False):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features).div_(lr_multiplier))
        self.bias = nn.Parameter(torch.full((out_features,), float(bias_init)))
        self.weight_gain = lr_multiplier / math.sqrt(in_features)
        self.bias_gain = lr_multiplier
        self.activate = activate

    def scaled(self) -> tuple[Tensor, Tensor]:
        """The effective weight ``[out, in]`` and bias ``[out]``."""
        return self.weight * self.weight_gain, self.bias * self.bias_gain

    def forward(self, x: Tensor) -> Tensor:
        x = F.linear(x, *self.scaled())
        return F.leaky_relu(x, 0.2) * SQRT2 if self.activate else x


def modulated_conv(x: Tensor, weight: Tensor, style: Tensor, up: bool = False, scale: Tensor | None = None,
                   bias: Tensor | None = None) -> Tensor:
    """Convolution whose input channels are scaled by ``style [B, Ci]`` and its output channels by ``scale [B, Co]`` (spec 3.3).

    One code scales the weights, several scale the activations: equal up to rounding, and at high resolutions each pass over the activations
    that is saved counts. Where the code alone is learned, it scales the activations too: the gradient of whole weights costs more.

    Args:
        x: ``[B, Ci, H, W]``; weight: ``[Co, Ci, k, k]``; bias: ``[Co]``, added last; not with ``up``.
        up: transposed convolution with stride 2; the result has 2H + 1 rows and still wants its FIR, and its bias after that.
    """
    if style.shape[0] == 1 and (weight.requires_grad or not style.requires_grad):
        weight = weight * style[0, :, None, None]
        if scale is not None:
            weight, scale = weight * scale[0, :, None, None, None], None
    else:
        x = x * style[:, :, None, None]
    if up:
        x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    else:
        x = F.conv2d(x, weight, bias if scale is None else None, padding=weight.shape[-1] // 2)
    if scale is None:
        return x
    scale = scale[:, :, None, None]
    return x * scale if bias is None else torch.addcmul(bias[:, None, None], x, scale)


def demodulation(weight: Tensor, style: Tensor) -> Tensor:
    """``[B, Co]``: what brings the output channels of ``modulated_conv`` back to unit variance."""
    return torch.rsqrt(style.square() @ weight.square().sum((2, 3)).T + 1e-8)


class ConvLayer(nn.Module):
    """Modulated 3x3 convolution, noise, bias, leaky ReLU; doubles the resolution if ``up``."""

    def __init__(self, in_channels: int, out_channels: int, w_dim: int, resolution: int, up: bool = False,
                 clamp: float | None = None):
        super().__init__()
        self.up, self.clamp, self.resolution = up, clamp, resolution
        self.affine = Linear(w_dim, in_channels, bias_init=1)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.noise_strength = nn.Parameter(torch.zeros([]))
        self.register_buffer("noise_const", torch.randn(resolution, resolution))
        self.register_buffer("resample_filter", make_filter())

    def forward(self, x: Tensor, w: Tensor, noise: bool = True) -> Tensor:
        style = self.affine(w)
        # Demodulation, bias and the activation's gain ride on the convolution: passes over x, not products, take the time at 256x256.
        scale, bias = SQRT2 * demodulation(self.weight, style), SQRT2 * self.bias
        x = modulated_conv(x, self.weight, style, self.up, scale, None if self.up else bias)
        if self.up:
            channels = x.shape[1]
            x = F.conv2d(x, (self.resample_filter * 4).expand(channels, 1, 4, 4), bias, padding=1, groups=channels)
        if noise:
            x = x + self.noise_const * (SQRT2 * self.noise_strength)
        x = F.leaky_relu(x, 0.2)
        return x if self.clamp is None else x.clamp(-self.clamp, self.clamp)


class ToRGB(nn.Module):
    """Modulated 1x1 convolution without demodulation and noise."""

    def __init__(self, in_channels: int, out_channels: int, w_dim: int, clamp: float | None = None):
        super().__init__()
        self.clamp = clamp
        self.affine = Linear(w_dim, in_channels, bias_init=1)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.gain = 1 / math.sqrt(in_channels)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        x = modulated_conv(x, self.weight, self.affine(w) * self.gain, bias=self.bias)
        return x if self.clamp is None else x.clamp(-self.clamp, self.clamp)


class SynthesisBlock(nn.Module):
    """One skip block (spec 3.5): conv0 (unless first), conv1, and a torgb that is added to the running image."""

    def __init__(self, widths: tuple[int, int], w_dim: int, resolution: int, image_channels: int, up: bool = True,
                 clamp: float | None = None, canvas: bool = False):
        """``widths``: channels that come in, 0 for the first block, and that go out."""
        super().__init__()
        in_channels, out_channels = widths
        self.first, self.up = in_channels == 0, up
        self.register_buffer("resample_filter", make_filter())
        if self.first:
            self.const = nn.Parameter(torch.randn(out_channels, resolution, resolution))
        else:
            self.conv0 = ConvLayer(in_channels, out_channels, w_dim, resolution, up, clamp)
        self.canvas = nn.Parameter(torch.zeros(out_channels, resolution, resolution)) if canvas and not self.first else None
        self.conv1 = ConvLayer(out_channels, out_channels, w_dim, resolution, clamp=clamp)
        self.torgb = ToRGB(out_channels, image_channels, w_dim, clamp=clamp)

    def forward(self, x: Tensor | None, image: Tensor | None, ws: Tensor, noise: bool = True) -> tuple[Tensor, Tensor]:
        """``ws [B, 3, w_dim]`` (conv0, conv1, torgb), or two rows for the first block."""
        if self.first:
            x = self.const.expand(ws.shape[0], -1, -1, -1)
        else:
            x = self.conv0(x, ws[:, 0], noise)
        if self.canvas is not None:
            x = x + self.canvas
        x = self.conv1(x, ws[:, -2], noise)
        if image is not None and self.up:
            image = upsample2x(image, self.resample_filter)
        rgb = self.torgb(x, ws[:, -1])
        return x, rgb if image is None else image + rgb
