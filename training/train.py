"""Supervised training of the built-in generator: a person is rendered, and the generator has to agree with the pictures.

Three kinds of evidence a step, for all people of the batch at once:

- *points*: where a pixel shows the surface, the colour of that point in space is known, and that matter is there. One sample each, so that
  a step sees most of each picture. Points that some view sees through are empty: floaters have nowhere to hide.
- *rays*: colour, opacity and depth of whole rays, whose samples the known depth places (10 do what a hundred would do otherwise).
- *patches*: squares of the picture, for the edges in them, and in the adversarial phase before a critic.

First small planes, then larger ones. ``w`` is given by the person's traits (``heads/traits.py``); the mapping is trained apart.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F
from torch.optim.swa_utils import get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from symgan_core.generator.config import BUILTIN, GeneratorConfig
from symgan_core.generator.model import TriPlaneGenerator
from symgan_core.geometry import Marched
from symgan_core.geometry.cameras import Camera

from . import checkpoint
from .adversarial import Adversary, describe
from .batch import Batch, Drawn, Draws, Pixels, drawn, place_samples
from .config import TrainConfig
from .pool import RESOLUTION, Pool
from .recorded import Recorded
from .sampling import PlaneSampler, ray_points

LOADERS = 3
"""Processes that read the pool for a GPU; a CPU's step takes so long that reading is nothing beside it."""


class Trainer:
    """Holds the networks and does steps.

    Args:
        folder: where checkpoints, the log and picture sheets go; an existing checkpoint is resumed.
        start: a generator file of an earlier run to go on from, where the folder has no checkpoint.
        warp: a file of ``python -m training align``. What ``start`` knows is then relearned in its new places, from middling planes on.
    """

    def __init__(self, pool: Pool, folder: str | Path, device: str = "cpu", config: TrainConfig | None = None,
                 generator_config: GeneratorConfig = BUILTIN, seed: int = 0, start: Path | None = None, warp: Path | None = None):
        self.pool, self.folder, self.device = pool, Path(folder), torch.device(device)
        self.config = config or TrainConfig()
        self.folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(seed)
        self.generator = TriPlaneGenerator(generator_config).to(self.device)
        # A block that joins later starts silent, so that it refines what is there.
        for size in self.plane_sizes[1:]:
            torch.nn.init.zeros_(getattr(self.generator.backbone.synthesis, f"b{size}").torgb.weight)
        self.generator.backbone.mapping.requires_grad_(False)
        self.ema = TriPlaneGenerator(generator_config).to(self.device).requires_grad_(False)
        self.weights = [p for p in self.generator.parameters() if p.requires_grad]
        moving = {id(p) for p in self.generator.backbone.warp.parameters()} if self.generator.backbone.warp else set()
        cuda = self.device.type == "cuda"
        groups = [{"params": [p for p in self.weights if (id(p) in moving) == slow], "share": share,
                   "lr": torch.tensor(share * self.config.learning_rate, device=self.device)}
                  for slow, share in ((False, 1.0), (True, self.config.warp_share))]
        self.optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99), capturable=cuda, fused=True)
        self.adversary = Adversary(self.device)
        self.step_number = 0
        self._restore(start, warp)
        self.draws = Draws(pool, self.config.people, self.config.views, seed + self.step_number)

    @property
    def plane_sizes(self) -> tuple[int, int, int]:
        """Plane resolutions, coarse to fine."""
        full = self.generator.config.plane_resolution
        return full // 4, full // 2, full

    def plane_size(self) -> int:
        """The resolution of the planes at this step."""
        return self.plane_sizes[sum(self.step_number >= s for s in self.config.growth)]

    def run(self, minutes: float, log_every: int = 50, save_minutes: float = 8, record: bool = False) -> None:
        """Train for a time budget, with checkpoints and sheets on the way; safe to stop at any time.

        ``record``: on a GPU, record a step once and repeat it (``Recorded``); not for the adversarial phase.
        """
        begin = saved = time.monotonic()
        history: list[dict[str, Tensor]] = []
        cuda = self.device.type == "cuda"
        batches = iter(DataLoader(self.draws, batch_size=None, num_workers=LOADERS if cuda else 0, pin_memory=cuda))
        learn, phase = self.learn, None
        with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=True):
            while (passed := (time.monotonic() - begin) / 60) < minutes:
                self._set_rate(passed / minutes)
                if record and phase != self._phase():
                    learn, phase = Recorded(self.learn, self.optimizer, next(batches), self.device), self._phase()
                history.append(self.step(next(batches), learn))
                if self.step_number % log_every == 0:
                    self._log(history, passed)
                    history.clear()
                if time.monotonic() - saved > 60 * save_minutes:
                    self.save()
                    saved = time.monotonic()
        self.save()

    def _phase(self) -> tuple[int, bool]:
        """Steps of a phase are alike."""
        return self.plane_size(), self.step_number >= self.config.patch_from_step

    def step(self, arrays: Drawn, learn: Callable[[Drawn], dict[str, Tensor]] | None = None) -> dict[str, Tensor]:
        """One step on what was drawn; returns the losses. ``learn``: the same as this trainer's own ``learn``, but recorded."""
        losses = (learn or self.learn)(arrays)
        out = dict(zip(losses, torch.stack(list(losses.values())).unbind(), strict=True))
        if "fool" in losses:
            out["critic"] = self.adversary.learn()
        self.step_number += 1
        self._update_ema()
        return out

    def learn(self, arrays: Drawn) -> dict[str, Tensor]:
        """Losses on what was drawn, and a step of the optimizer. On a GPU, nothing here waits for it."""
        config, batch = self.config, Batch(arrays, self.device)
        sampler = PlaneSampler(self.generator, self.ws_of(batch), self.plane_size(), config.bfloat16)
        losses = self._space_losses(sampler, batch)
        if self.step_number >= config.patch_from_step:
            losses |= self._patch_losses(sampler, batch)
        total = sum(losses.values())
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.weights, 2.0)
        self.optimizer.step()
        return {name: value.detach() for name, value in losses.items()}

    def ws_of(self, batch: Batch) -> Tensor:
        """``[B, num_ws, w_dim]`` of the people of a batch."""
        return batch.w[:, None, : self.generator.config.w_dim].expand(-1, self.generator.config.num_ws, -1)

    def _space_losses(self, sampler: PlaneSampler, batch: Batch) -> dict[str, Tensor]:
        """Surface points, empty points and rays; one look into the planes serves all three."""
        config = self.config
        pixels = batch.pixels(*batch.choose(config.points, on_head=True)).by_person(batch.people)
        low, high = config.shell
        depth = pixels.depth.nan_to_num(2.7) + low + (high - low) * torch.rand_like(pixels.depth)
        free, empty = self._free_points(sampler, batch)
        rays = batch.pixels(*batch.choose(config.rays)).by_person(batch.people)
        places, along = self._ray_points(rays)
        parts = [pixels.origins + pixels.directions * depth[..., None], free, along]
        sigmas, features = (x.split([p.shape[1] for p in parts], 1) for x in sampler.query(torch.cat(parts, 1)))
        marched = sampler.march(places, sigmas[2], features[2])
        return self._point_losses(pixels, depth, empty, sigmas, features) | self._ray_losses(rays, marched)

    @torch.no_grad()
    def _free_points(self, sampler: PlaneSampler, batch: Batch) -> tuple[Tensor, Tensor]:
        """Points ``[B, N, 3]`` and which of them are known to be empty ``[B, N]``: half of them as they come, the others where most matter
        is among ``free_search`` times as many. A floater is small; a random point seldom hits it."""
        count, search = self.config.free_points // 2, self.config.free_search
        points, empty = batch.free_points(count * (1 + search), self.generator.config.box_warp)
        density = sampler.query(points[:, count:])[0].masked_fill(~empty[:, count:], -torch.inf)
        worst = torch.cat([torch.arange(count, device=self.device).expand(len(points), -1), count + density.topk(count, 1).indices], 1)
        return points.gather(1, worst[..., None].expand(-1, -1, 3)), empty.gather(1, worst)

    def _point_losses(self, pixels: Pixels, depth: Tensor, empty: Tensor, sigmas: tuple[Tensor, ...],
                      features: tuple[Tensor, ...]) -> dict[str, Tensor]:
        whole = torch.isfinite(pixels.depth) & (pixels.opacity > 0.97)
        difference = features[0] * 2 - 1 - pixels.colour
        behind = whole & (depth > pixels.depth)
        low, high = self.config.raw_density
        beyond = torch.cat([F.relu(low - x) / -low + F.relu(x - high) / high for x in sigmas], 1)
        return {
            "point": 2 * mean_where(whole, (difference.square() + 1e-4).sqrt().mean(-1)),
            "solid": self.config.solid_weight * mean_where(behind, torch.exp(-0.01 * F.softplus(sigmas[0] - 1))),
            "free": self.config.free_weight * mean_where(empty, torch.log1p(F.softplus(sigmas[1] - 1))),
            "bound": self.config.bound_weight * torch.log1p(beyond).mean(),
        }

    def _ray_losses(self, pixels: Pixels, marched: Marched) -> dict[str, Tensor]:
        hit = torch.isfinite(pixels.depth) & (pixels.opacity > 0.9)
        difference = marched.features.transpose(1, 2) - pixels.colour
        return {
            "colour": 2 * (difference.square() + 1e-4).sqrt().mean(),
            "opacity": (marched.weights.sum(-1) - pixels.opacity).square().mean(),
            "depth": self.config.depth_weight * mean_where(hit, (marched.depth - pixels.depth.nan_to_num()).abs().clamp(max=0.2)),
        }

    def _patch_losses(self, sampler: PlaneSampler, batch: Batch) -> dict[str, Tensor]:
        config = self.config
        side, count = config.patch_size, config.patches
        who = torch.arange(count, device=self.device) * batch.views
        corner = self._patch_corners(batch, who)
        image = self.render_patches(sampler, batch, who, corner)
        row, column = self._patch_pixels(corner)
        target = batch.rgb[who[:, None], row, column].unflatten(1, (side, side))
        target = target.permute(0, 3, 1, 2).float() / 127.5 - 1
        difference = image - target
        losses = {"patch": 2 * difference.abs().mean(), "patch_edges": 2 * sum(difference.diff(dim=d).abs().mean() for d in (-1, -2))}
        if config.adversarial_from_step is not None and self.step_number >= config.adversarial_from_step:
            centre = (corner.flip(1) + side / 2) / RESOLUTION
            condition = describe(*Camera.from_vector(batch.cameras[who]).angles(), centre)
            losses |= self.adversary.losses(image, target, condition, config.fool_weight, config.matching_weight)
        return losses

    def render_patches(self, sampler: PlaneSampler, batch: Batch, who: Tensor, corner: Tensor) -> Tensor:
        """Colours ``[N, 3, S, S]`` in [-1, 1] of square patches of the views ``who [N]``, one a person of the sampler.

        ``corner [N, 2]``: their first rows and columns.
        """
        side = self.config.patch_size
        places, points = self._ray_points(batch.pixels(*self._patch_pixels(corner), who))
        marched = sampler.march(places, *sampler.query(points, len(corner)))
        return marched.features.reshape(len(corner), -1, side, side)

    def _patch_corners(self, batch: Batch, who: Tensor) -> Tensor:
        """Where patches lie, ``[N, 2]`` first rows and columns: around interesting pixels."""
        room, half = RESOLUTION - self.config.patch_size, self.config.patch_size // 2
        return (torch.cat(batch.choose(1), 1)[who] - half).clamp(0, room)

    def _patch_pixels(self, corner: Tensor) -> tuple[Tensor, Tensor]:
        """Rows and columns ``[N, S * S]`` of the pixels of patches."""
        side = self.config.patch_size
        line = torch.arange(side, device=self.device)
        return corner[:, :1] + line.repeat_interleave(side), corner[:, 1:] + line.repeat(side)

    def _ray_points(self, pixels: Pixels) -> tuple[Tensor, Tensor]:
        """Depths ``[B, M, S]`` of samples and their places ``[B, M * S, 3]``."""
        config, g = self.config, self.generator.config
        depths = place_samples(pixels.near, (g.ray_start, g.ray_end), config.samples, config.around)
        return depths, ray_points(pixels.origins, pixels.directions, depths)

    def _set_rate(self, share: float) -> None:
        config = self.config
        tail = max(0.0, (share - 1 + config.decay_share) / config.decay_share)
        factor = min(1.0, (self.step_number + 1) / 100) * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(tail, 1.0))))
        for group in self.optimizer.param_groups:
            group["lr"].fill_(config.learning_rate * factor * group["share"])  # a recorded step reads it where it lies

    def _update_ema(self) -> None:
        decay = min(self.config.ema, self.step_number / (self.step_number + 10))
        get_ema_multi_avg_fn(decay)(list(self.ema.parameters()), list(self.generator.parameters()), None)

    def _log(self, history: list[dict[str, Tensor]], minutes: float) -> None:
        names = history[-1].keys()
        means = {n: round(float(torch.stack([h[n] for h in history if n in h]).mean()), 5) for n in names}
        record = {"step": self.step_number, "minutes": round(minutes, 2), "people": len(self.pool.ready()), **means}
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(json.dumps(record) + "\n")
        print(record, flush=True)

    def save(self) -> None:
        """Write the whole state, one file a kind, and a picture sheet."""
        checkpoint.save(self.folder, self.step_number, self.generator, self.ema, self.optimizer, self.adversary, self.config)
        self.sheet(self.folder / "sheet.png")

    def _restore(self, start: Path | None, warp: Path | None) -> None:
        step = checkpoint.resume(self.folder, self.generator, self.ema, self.optimizer, self.adversary)
        if step is None:
            step, growth = 0, self.config.growth
            if start:
                checkpoint.start_from(start, self.generator)
                step = growth[0] if warp else max(*growth, self.config.patch_from_step)
            if warp:
                self.generator.backbone.warp.load_state_dict(load_file(warp))
            self.ema.load_state_dict(self.generator.state_dict())
        self.step_number = step

    @torch.no_grad()
    def sheet(self, path: Path, people: int = 5) -> None:
        """A picture: a row a person: the truth, then the EMA generator from the same side, the left, in front and from the right."""
        from PIL import Image

        numbers = self.pool.ready()[:people]
        batch = Batch(drawn(self.pool, numbers, np.zeros((len(numbers), 1), int)), self.device)
        rows = []
        for i, ws in enumerate(self.ws_of(batch).split(1)):
            planes = self.ema.planes(ws, resolution=self.plane_size())
            views = [batch.cameras[i: i + 1], *(Camera.orbit(y, 0).vector().to(self.device) for y in (-55, 0, 30))]
            images = [batch.rgb[i].permute(2, 0, 1)[None].float() / 127.5 - 1]
            for camera in views:
                out = self.ema.view(planes, ws, camera)
                images.append(F.interpolate(out.image, (RESOLUTION,) * 2, mode="bilinear"))
            rows.append(torch.cat(images, 3))
        picture = (torch.cat(rows, 2)[0].permute(1, 2, 0).clamp(-1, 1) * 127.5 + 127.5).byte().cpu().numpy()
        Image.fromarray(picture).save(path)


def mean_where(mask: Tensor, values: Tensor) -> Tensor:
    """The mean of ``values`` where there is ``mask``, both ``[B, M]``; 0 where there is none of it."""
    return torch.where(mask, values, 0).sum() / mask.sum().clamp(min=1)
