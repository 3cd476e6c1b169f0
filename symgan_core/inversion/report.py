"""What a report says of a finished head: how near its view of the photo is to the photo."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..faces import look_closer
from ..losses import PerceptualLoss, load_perceptual
from ..portrait import Portrait3D
from .target.target import Target, fill_from_render


@torch.no_grad()
def measure(portrait: Portrait3D, target: Target, perceptual: PerceptualLoss) -> dict[str, float]:
    """Of the photo's view against the photo: ``psnr`` over all of it, the other two of the head that the photo shows, on white."""
    image = portrait.render(portrait.camera).image.clamp(-1, 1)
    *colours, alpha = torch.from_numpy(target.input_picture(image.shape[-1])).to(image).permute(2, 0, 1)[None].div(255).split(1, 1)
    truth, head = (x * alpha + 1 - alpha for x in (torch.cat(colours, 1) * 2 - 1, image))
    lpips = load_perceptual("lpips-alex", image.device)
    found = {"psnr": _psnr(image, target), "lpips": round(float(lpips(head, truth)), 5),
             "perceptual": round(float(perceptual(head, truth)), 5)}
    if portrait.pictures:
        found["psnr_without_detail"] = _psnr(portrait.render(portrait.camera, detail=False).image.clamp(-1, 1), target)
    if target.white_background:  # framed as the face's points are read
        found["landmark_error"] = round(landmark_error(head, truth), 4)
    return found


def _psnr(image: Tensor, target: Target) -> float:
    """dB, of a picture in [-1, 1] against the photo on the generator's background, within the photo's border."""
    image = F.adaptive_avg_pool2d(image, target.image.shape[-1])
    truth, _ = fill_from_render(target.image, None, image, None, target.out_of_frame)
    return round(float(10 * torch.log10(4 / (image - truth).square().mean().clamp(min=1e-10))), 3)


@torch.no_grad()
def landmark_error(image: Tensor, truth: Tensor) -> float:
    """Mean distance of the points read in two pictures ``[1, 3, H, W]``, where the second shows them, over its eyes' distance."""
    found, wanted = (look_closer(x.clamp(-1, 1).cpu()) for x in (image, truth))
    eyes = np.linalg.norm(wanted.landmarks[36:42].mean(0) - wanted.landmarks[42:48].mean(0))
    shown = wanted.visible > 0.5
    away = np.linalg.norm(found.landmarks - wanted.landmarks, axis=1)
    return float(away[shown if shown.any() else slice(None)].mean() / max(eyes, 1e-6))
