"""From a training run to the files that ship: weights in half precision, their hash, a picture sheet."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from symgan_core.generator import GeneratorConfig, TriPlaneGenerator
from symgan_core.generator.checkpoint import BUILTIN_FILE, save_state
from symgan_core.generator.traits import TRAITS_FILE, Traits, save_traits
from symgan_core.weights import write_hash

from .checkpoint import load_pictures
from .heads import HeadPack, draw_codes, person_from_code, point_slopes, trait_layout, trait_statistics, traits
from .heads.accessories import GLASSES, HATS
from .mapping import SHIFT, absorb_shift, draw_pairs, explained, train_mapping
from .pool import expressive


def export(run: Path, out: Path = BUILTIN_FILE) -> None:
    """Write the averaged weights of a run as the built-in generator, with the mapping trained for its people."""
    generator = assemble(run)
    share = explained(generator.backbone.mapping, *draw_pairs(1000, 3))
    print(f"mapping: {share.mean():.3f} of the traits' variance explained on unseen codes")
    save_state(generator.state_dict(), generator.config, out, torch.float16)
    write_hash(out)
    shipped = out == BUILTIN_FILE
    save_traits(known_traits(), TRAITS_FILE if shipped else out.with_name("traits.safetensors"))
    print(f"{out.name}: {out.stat().st_size / 2**20:.1f} MB")


def known_traits() -> Traits:
    """What the built-in generator's w means."""
    pack = HeadPack()
    statistics = trait_statistics(pack)
    numbers = (*statistics, *trait_ranges(pack), point_slopes(pack, *statistics))
    mean, scale, low, high, slopes = (torch.from_numpy(x).float() for x in numbers)
    places = trait_layout(pack, person_from_code(pack, draw_codes(np.random.default_rng(0), 1)[0]))
    for name, part, count in (("glasses_kind", "glasses", len(GLASSES)), ("hat_kind", "hat", len(HATS)), ("mole_there", "mole", 1),
                              ("patch_there", "patch", 1)):
        places[name] = slice(places[part].start, places[part].start + count)
    known = Traits(mean - SHIFT * scale, scale, low, high, places, slopes)
    return replace(known, slopes=slopes[..., known.moving].contiguous())


def trait_ranges(pack: HeadPack, people: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    """The least and the most ``[T]`` of each trait among people of a pool. Always the same ones."""
    rng = np.random.default_rng(2)
    codes = (expressive(code, rng) for code in draw_codes(rng, people))
    found = np.stack([traits(pack, person_from_code(pack, code)) for code in codes])
    return found.min(0), found.max(0)


def assemble(run: Path, codes: int = 80_000, steps: int = 10_000) -> TriPlaneGenerator:
    """The generator of a run: what was trained on pictures (averaged), and a mapping, which is trained now unless the run has one."""
    config = GeneratorConfig.from_dict(json.loads((run / "state.json").read_text())["generator"])
    generator = TriPlaneGenerator(config).eval().requires_grad_(False)
    load_pictures(generator, run)
    absorb_shift(generator)
    trained, mapping = run / "mapping.safetensors", generator.backbone.mapping
    if trained.exists():  # it depends on the people alone, not on the run's progress
        mapping.load_state_dict(load_file(trained))
    else:
        train_mapping(mapping, *draw_pairs(codes, 1), steps)
        save_file(mapping.state_dict(), str(trained))
    return generator


@torch.no_grad()
def sample_sheet(path: Path, people: int = 64, seed: int = 0, columns: int = 8, size: int = 128) -> None:
    """A picture of random people of the shipped weights, ``z ~ N(0, I)``, each at three yaws."""
    from PIL import Image

    from symgan_core.generator import load_generator
    from symgan_core.inversion import Portrait3D, to_uint8

    generator = load_generator("builtin", "cpu")
    z = torch.randn(people, generator.config.z_dim, generator=torch.Generator().manual_seed(seed))
    cells = []
    for ws in generator.mapping(z, generator.frontal_camera().expand(people, -1)).split(1):
        head = Portrait3D(generator, ws, generator.frontal_camera())  # as users are shown heads
        views = [to_uint8(head.render(yaw=yaw).image) for yaw in (-50, 0, 50)]
        cells.append(np.concatenate([np.asarray(Image.fromarray(v).resize((size, size), Image.Resampling.BOX)) for v in views], 1))
    rows = [np.concatenate(cells[i: i + columns], 1) for i in range(0, people, columns)]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(rows)).save(path, quality=88)
