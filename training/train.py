"""Supervised training of the built-in generator: a code's person is rendered, and the generator has to agree with the picture.

The known depth places the samples along a ray (a few before the surface, most around it, a few behind), so that 16 samples do
what some hundred would do otherwise. First rays alone on small planes, then full planes, then the super-resolution on patches.
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from symgan_core.generator.config import BUILTIN, GeneratorConfig
from symgan_core.generator.model import TriPlaneGenerator
from symgan_core.geometry import Marched, march, pixel_rays
from symgan_core.geometry.cameras import Camera
from symgan_core.geometry.rays import pixel_centres

from .pool import RESOLUTION, VIEWS, Pool

HALF = RESOLUTION // 2


@dataclass(frozen=True)
class TrainConfig:
    """Settings of a training run."""

    people: int = 8
    """People a step."""
    views: int = 3
    """Views a person and step."""
    rays: int = 288
    """Rays a view."""
    learning_rate: float = 6e-3
    small_planes_steps: int = 2200
    """Steps with planes of half the resolution."""
    patch_from_step: int = 3000
    """When the super-resolution joins."""
    patches: int = 4
    """Patches a step, one a person."""
    patch_size: int = 32
    """Side of a patch in rendered pixels."""
    decay_share: float = 0.3
    """Share of the time budget over which the learning rate falls to a tenth."""
    ema: float = 0.998
    samples: tuple[int, int, int] = (4, 9, 3)
    """Samples before, around and behind the surface."""
    around: float = 0.05
    """Half the thickness of "around", in world units."""
    depth_weight: float = 3.0
    opacity_weight: float = 1.0


class Batch:
    """Random people of the pool, as tensors on the training device."""

    def __init__(self, pool: Pool, numbers: np.ndarray, views: np.ndarray, device: torch.device):
        rows = (numbers[:, None], views)
        arrays = pool.arrays
        self.codes = torch.from_numpy(arrays["codes"][numbers]).to(device)
        self.cameras = torch.from_numpy(arrays["cameras"][rows]).to(device)
        self.rgb = torch.from_numpy(arrays["rgb"][rows]).to(device)
        self.alpha = torch.from_numpy(arrays["alpha"][rows]).to(device)
        self.depth = torch.from_numpy(arrays["depth"][rows]).to(device)
        self.interest = torch.from_numpy(arrays["interest"][rows]).to(device)


class Trainer:
    """Holds the networks and does steps.

    Args:
        folder: where checkpoints, the log and picture sheets go; an existing checkpoint is resumed.
    """

    def __init__(self, pool: Pool, folder: str | Path, device: str = "cpu", config: TrainConfig | None = None,
                 generator_config: GeneratorConfig = BUILTIN, seed: int = 0):
        self.pool, self.folder, self.device = pool, Path(folder), torch.device(device)
        self.config = config or TrainConfig()
        self.folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(seed)
        self.generator = TriPlaneGenerator(generator_config).to(self.device)
        # A block that joins later starts silent, so that it refines what the smaller planes have learned.
        last = getattr(self.generator.backbone.synthesis, f"b{generator_config.plane_resolution}")
        torch.nn.init.zeros_(last.torgb.weight)
        self.ema = TriPlaneGenerator(generator_config).to(self.device).requires_grad_(False)
        self.ema.load_state_dict(self.generator.state_dict())
        self.optimizer = torch.optim.Adam(self.generator.parameters(), self.config.learning_rate, betas=(0.9, 0.99))
        self.step_number = 0
        self.rng = np.random.default_rng(seed)
        self._resume()

    def run(self, minutes: float, log_every: int = 50, save_minutes: float = 8) -> None:
        """Train for a time budget, with checkpoints and sheets on the way; safe to stop at any time."""
        begin = saved = time.monotonic()
        history: list[dict[str, float]] = []
        while (passed := (time.monotonic() - begin) / 60) < minutes:
            ready = self.pool.ready()
            if len(ready) < 4 * self.config.people:
                time.sleep(1)
                continue
            self._set_rate(passed / minutes)
            history.append(self.step(ready))
            if self.step_number % log_every == 0:
                self._log(history, passed)
                history.clear()
            if time.monotonic() - saved > 60 * save_minutes:
                self.save()
                saved = time.monotonic()
        self.save()

    def step(self, ready: np.ndarray) -> dict[str, float]:
        """One step on random people among ``ready``; returns the losses."""
        config = self.config
        numbers = self.rng.choice(ready, config.people, replace=len(ready) < config.people)
        views = np.stack([self.rng.permutation(VIEWS)[: config.views] for _ in numbers])
        batch = Batch(self.pool, numbers, views, self.device)
        resolution = self.generator.config.plane_resolution
        small = self.step_number < config.small_planes_steps
        ws = self.generator.mapping(batch.codes, batch.cameras[:, 0])
        planes = self.generator.planes(ws, resolution=resolution // 2 if small else resolution)
        losses = self._ray_losses(planes, batch)
        if self.step_number >= config.patch_from_step:
            losses |= self._patch_losses(planes, ws, batch)
        total = sum(losses.values())
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.generator.parameters(), 2.0)
        self.optimizer.step()
        self.step_number += 1
        self._update_ema()
        return {name: float(value.detach()) for name, value in losses.items()}

    def _ray_losses(self, planes: Tensor, batch: Batch) -> dict[str, Tensor]:
        config = self.config
        people, views = batch.cameras.shape[:2]
        flat = people * views
        chosen = torch.multinomial(batch.interest.reshape(flat, -1).float(), config.rays, replacement=True)
        row, column = chosen // HALF, chosen % HALF
        uv = torch.stack([(column + 0.5) / HALF, (row + 0.5) / HALF], -1)
        origins, directions = pixel_rays(batch.cameras.reshape(flat, 25), uv)
        who = torch.arange(flat, device=self.device)[:, None, None, None]
        rows = (row * 2)[..., None, None] + torch.tensor([[0, 0], [1, 1]], device=self.device)
        columns = (column * 2)[..., None, None] + torch.tensor([[0, 1], [0, 1]], device=self.device)
        colour = batch.rgb.flatten(0, 1)[who, rows, columns].float().mean((2, 3)) / 127.5 - 1
        opacity = batch.alpha.flatten(0, 1)[who, rows, columns].float().mean((2, 3)) / 255
        depth = batch.depth.flatten(0, 1)[who[..., 0, 0], row, column].float()
        depth = along_ray(depth, uv, batch.cameras.reshape(flat, 25))
        merge = (people, views * config.rays)
        depth, opacity = depth.reshape(merge), opacity.reshape(merge)
        marched = self._march(planes, origins.reshape(*merge, 3), directions.reshape(*merge, 3), depth)
        hit = torch.isfinite(depth) & (opacity > 0.9)
        difference = marched.features[:, :3].transpose(1, 2) - colour.reshape(*merge, 3)
        return {
            "colour": 2 * (difference.square() + 1e-4).sqrt().mean(),
            "opacity": config.opacity_weight * (marched.weights.sum(-1) - opacity).square().mean(),
            "depth": config.depth_weight * (marched.depth - depth)[hit].abs().clamp(max=0.2).mean(),
        }

    def _patch_losses(self, planes: Tensor, ws: Tensor, batch: Batch) -> dict[str, Tensor]:
        config, size = self.config, self.generator.config.neural_rendering_resolution
        scale, side, count = RESOLUTION // size, config.patch_size, config.patches
        # Patches lie on a coarse grid, so that many touch the picture's border, where the zero padding is the real one.
        corner = self.rng.integers(0, 3, (count, 2)) * ((size - side) // 2)
        centres = pixel_centres(size, self.device).reshape(size, size, 2)
        uv = torch.stack([centres[r: r + side, c: c + side].reshape(-1, 2) for r, c in corner])
        cameras = batch.cameras[:count, 0]
        origins, directions = pixel_rays(cameras, uv)
        step = HALF // size
        coarse = batch.depth[:count, 0].float().nan_to_num(9.0)
        coarse = -F.max_pool2d(-coarse[:, None], step)[:, 0]  # the nearest surface within each rendered pixel
        depth = torch.stack([coarse[i, r: r + side, c: c + side].reshape(-1) for i, (r, c) in enumerate(corner)])
        depth = along_ray(torch.where(depth > 8, torch.nan, depth), uv, cameras)
        marched = self._march(planes[:count], origins, directions, depth)
        features = marched.features.reshape(count, -1, side, side)
        image = self.generator.superresolution.blocks(features[:, :3], features, ws[:count, -1])
        target = torch.stack([
            batch.rgb[i, 0, r * scale: (r + side) * scale, c * scale: (c + side) * scale] for i, (r, c) in enumerate(corner)])
        target = target.permute(0, 3, 1, 2).float() / 127.5 - 1
        raw = F.avg_pool2d(target, scale)
        counts = self._inner(corner, size, side, scale)
        losses = {"patch": 2 * ((image - target).abs() * counts).mean(), "patch_raw": 0.5 * (features[:, :3] - raw).abs().mean()}
        difference = (image - target) * counts
        losses["patch_edges"] = 2 * sum(difference.diff(dim=d).abs().mean() for d in (-1, -2))
        return losses

    def _inner(self, corner: np.ndarray, size: int, side: int, scale: int) -> Tensor:
        """``[count, 1, S, S]``: 0 where a patch's own zero padding reaches in, on sides that are not the picture's border."""
        edge, counts = 2 * scale, torch.ones(len(corner), 1, side * scale, side * scale, device=self.device)
        for i, (r, c) in enumerate(corner):
            counts[i, :, : edge * (r > 0)] = 0
            counts[i, :, side * scale - edge * (r + side < size):] = 0
            counts[i, :, :, : edge * (c > 0)] = 0
            counts[i, :, :, side * scale - edge * (c + side < size):] = 0
        return counts

    def _march(self, planes: Tensor, origins: Tensor, directions: Tensor, depth: Tensor) -> Marched:
        depths = self._place_samples(depth)
        return march(*self.generator.query_rays(planes, origins, directions, depths),
                     white_back=self.generator.config.white_back)

    def _place_samples(self, depth: Tensor) -> Tensor:
        """``[B, M, S]`` jittered depths around the known one, or evenly spread where there is none (NaN)."""
        config, g = self.config, self.generator.config
        before, around, behind = config.samples
        near = torch.full_like(depth, g.ray_start)
        far = torch.full_like(depth, g.ray_end)
        low, high = depth - config.around, depth + config.around
        parts = [stratified(near, low, before), stratified(low, high, around), stratified(high, torch.maximum(far, high), behind)]
        miss = ~torch.isfinite(depth)
        return torch.where(miss[..., None], stratified(near, far, sum(config.samples)), torch.cat(parts, -1))

    def _set_rate(self, share: float) -> None:
        config = self.config
        tail = max(0.0, (share - 1 + config.decay_share) / config.decay_share)
        factor = min(1.0, (self.step_number + 1) / 100) * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * min(tail, 1.0))))
        for group in self.optimizer.param_groups:
            group["lr"] = config.learning_rate * factor

    @torch.no_grad()
    def _update_ema(self) -> None:
        decay = min(self.config.ema, self.step_number / (self.step_number + 10))
        for target, source in zip(self.ema.parameters(), self.generator.parameters(), strict=True):
            target.lerp_(source, 1 - decay)

    def _log(self, history: list[dict[str, float]], minutes: float) -> None:
        names = history[-1].keys()
        means = {n: round(float(np.mean([h[n] for h in history if n in h])), 5) for n in names}
        record = {"step": self.step_number, "minutes": round(minutes, 2), "people": len(self.pool.ready()), **means}
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(json.dumps(record) + "\n")
        print(record, flush=True)

    def save(self) -> None:
        """Write the whole state, one file a kind, and a picture sheet."""
        groups = {"model": self.generator.state_dict(), "ema": self.ema.state_dict()}
        adam = self.optimizer.state_dict()["state"]
        for key in ("exp_avg", "exp_avg_sq"):
            groups[key] = {str(i): s[key].contiguous() for i, s in adam.items()}
        for name, tensors in groups.items():
            save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, str(self.folder / f"{name}.safetensors.partial"))
        for name in groups:
            (self.folder / f"{name}.safetensors.partial").replace(self.folder / f"{name}.safetensors")
        state = {"step": self.step_number, "config": dataclasses.asdict(self.config), "generator": self.generator.config.to_dict()}
        (self.folder / "state.json").write_text(json.dumps(state, indent=1))
        self.sheet(self.folder / "sheet.png")

    def _resume(self) -> None:
        path = self.folder / "state.json"
        if not path.exists():
            return
        self.step_number = json.loads(path.read_text())["step"]
        self.generator.load_state_dict(load_file(self.folder / "model.safetensors"))
        self.ema.load_state_dict(load_file(self.folder / "ema.safetensors"))
        moments = {key: load_file(self.folder / f"{key}.safetensors") for key in ("exp_avg", "exp_avg_sq")}
        state = {
            int(i): {"step": torch.tensor(float(self.step_number)), "exp_avg": moments["exp_avg"][i],
                     "exp_avg_sq": moments["exp_avg_sq"][i]} for i in moments["exp_avg"]}
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        self.rng = np.random.default_rng(self.step_number)

    @torch.no_grad()
    def sheet(self, path: Path, people: int = 6) -> None:
        """A picture: a row a person: the truth, then the EMA generator from the left, in front and from the right."""
        from PIL import Image

        numbers = self.pool.ready()[:people]
        batch = Batch(self.pool, numbers, np.zeros((len(numbers), 1), int), self.device)
        resolution = self.generator.config.plane_resolution
        early = self.step_number < self.config.small_planes_steps
        sharp = self.step_number > self.config.patch_from_step
        rows = []
        for i in range(len(numbers)):
            ws = self.ema.mapping(batch.codes[i: i + 1], batch.cameras[i, :1])
            planes = self.ema.planes(ws, resolution=resolution // 2 if early else resolution)
            views = [batch.cameras[i, :1], *(Camera.orbit(y, 0).vector().to(self.device) for y in (-55, 0, 30))]
            images = [batch.rgb[i, 0].permute(2, 0, 1)[None].float() / 127.5 - 1]
            for camera in views:
                out = self.ema.view(planes, ws, camera, samples=(16, 16))
                images.append(F.interpolate(out.image if sharp else out.image_raw, (RESOLUTION,) * 2, mode="bilinear"))
            rows.append(torch.cat(images, 3))
        picture = (torch.cat(rows, 2)[0].permute(1, 2, 0).clamp(-1, 1) * 127.5 + 127.5).byte().cpu().numpy()
        Image.fromarray(picture).save(path)


def stratified(low: Tensor, high: Tensor, count: int) -> Tensor:
    """``[..., count]`` ascending random numbers, one in each of ``count`` equal parts of [low, high]."""
    u = (torch.arange(count, device=low.device) + torch.rand(*low.shape, count, device=low.device)) / count
    return low[..., None] + (high - low)[..., None] * u


def along_ray(z_depth: Tensor, uv: Tensor, cameras: Tensor) -> Tensor:
    """Pool depth (z along the camera's axis minus 2.7) to distance along the unit ray. ``uv [B, M, 2]``, ``cameras [B, 25]``."""
    k = Camera.from_vector(cameras).intrinsics[:, None]
    x = (uv[..., 0] - k[..., 0, 2]) / k[..., 0, 0]
    y = (uv[..., 1] - k[..., 1, 2]) / k[..., 1, 1]
    return (z_depth + 2.7) * (1 + x.square() + y.square()).sqrt()
