"""``python -m training render | train | export | measure | …``: people, training, the file that ships, and what it can do."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # two busy processes on two cores: spinning threads cost 10 times

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from symgan_core.memory import keep_freed_memory

if TYPE_CHECKING:
    from .descent import Run

FEWEST = 256
"""Training begins when a new pool has so many people."""


def main() -> None:
    """Parse the command line and run one command."""
    keep_freed_memory()
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (("render", "render people into a pool"), ("train", "train, resuming what the folder holds"),
                       ("align", "fit where features lie in the planes, from the meshes alone: a first warp for --warp"),
                       ("faces", "train the face network on the pool"),
                       ("closeup", "train the second look at a crop: points, regions, pose, the encoder"),
                       ("points", "train the last look at points, from nearer still"),
                       ("export", "write the weights that ship"),
                       ("motions", "write how heads move along the editing directions"),
                       ("views", "write a multi-view file of new people, with ground truth"),
                       ("measure", "how well the shipped prior holds the heads of a multi-view file; colour and depth agreement"),
                       ("gallery", "make the example portraits"), ("sample", "a picture of random people of a run")):
        command = commands.add_parser(name, help=text)
        command.add_argument("--pool", type=Path, default=Path("scratch/pool"), help="folder of rendered people")
        command.add_argument("--run", type=Path, default=Path("scratch/run"), help="folder of checkpoints, log and sheets")
        command.add_argument("--people", type=int, default=2048, help="size of a new pool")
        command.add_argument("--workers", type=int, default=1, help="processes that render, or draw crops")
        command.add_argument("--minutes", type=float, default=60, help="time budget")
        command.add_argument("--device", default="auto")
        command.add_argument("--seed", type=int, default=0)
        if name == "train":
            command.add_argument("--adversarial", action="store_true", help="the adversarial phase: a critic of patches joins now")
            command.add_argument("--start", type=Path, help="a generator file to go on from, e.g. the shipped one; --run may be empty")
            command.add_argument("--record", action="store_true", help="record a step as a CUDA graph (docs/training.md); on a GPU alone")
            command.add_argument("--batch", type=int, help="people a step, one patch each; a GPU has room for more")
            command.add_argument("--rate", type=float, help="the first learning rate; less than usual after --start")
            command.add_argument("--warp", type=Path, help="a file of `align`: where features lie, for a run that begins")
        if name in ("train", "points"):
            command.add_argument("--bfloat16", action="store_true", help="for processors and GPUs that compute in it")
        if name in ("faces", "closeup", "points"):
            command.add_argument("--start", type=Path, help="weights to go on from, e.g. the shipped ones")
        if name in ("faces", "points"):
            command.add_argument("--out", type=Path, help="the .safetensors file to write; by default the one that ships")
        if name == "points":
            command.add_argument("--mean", type=Path, nargs="+", help="no training: the mean of the weights of these versions")
        if name == "align":
            command.add_argument("out", type=Path, help="the .safetensors file to write")
            command.add_argument("--start", type=Path, help="a generator file whose faces are to stay in place; hair alone moves")
            command.set_defaults(people=6500)
        if name == "views":
            command.add_argument("out", type=Path, help="the .npz file to write; --people says how many, --seed which")
            command.add_argument("--one-lamp", action="store_true", help="light from one side, given views from both: the light test")
            command.add_argument("--unseen", action="store_true", help="with shapes, skins and hair textures that no pool holds")
            command.set_defaults(people=16, seed=77)
        if name == "measure":
            command.add_argument("data", type=Path, help="a multi-view .npz file")
            command.add_argument("--limit", type=int, help="only the first so many people")
            command.add_argument("--json", type=Path, help="where the figures go")
        if name == "sample":
            command.add_argument("--sheet", type=Path, nargs="?", const=Path("docs/samples.jpg"), default=Path("docs/samples.jpg"),
                                 help="where the picture goes")
    globals()[f"_{(args := parser.parse_args()).command}"](args)


def _render(args: argparse.Namespace) -> None:
    import time

    from .pool import Pool, start_workers

    pool = Pool.open(args.pool, args.people)
    start_workers(pool, args.workers, args.seed + len(pool.ready()), forever=False)
    end = time.monotonic() + 60 * args.minutes
    while time.monotonic() < end and len(pool.ready()) < pool.heads:
        time.sleep(2)
    print(f"{len(pool.ready())} of {pool.heads} people")


def _train(args: argparse.Namespace) -> None:
    import time
    from dataclasses import replace

    from symgan_core.generator.checkpoint import resolve_device

    from .config import TrainConfig
    from .pool import Pool, start_workers
    from .train import Trainer

    device = resolve_device(args.device)
    if args.record and (device.type != "cuda" or args.adversarial):
        raise SystemExit("--record is for a GPU, and for steps without a critic.")
    pool = Pool.open(args.pool, args.people)
    start_workers(pool, args.workers, args.seed + 1000 + len(pool.ready()))
    config = TrainConfig(bfloat16=args.bfloat16)
    if args.batch:
        config = replace(config, people=args.batch, patches=args.batch)
    while args.workers and len(pool.ready()) < min(FEWEST, pool.heads):
        time.sleep(1)
    if args.rate:
        config = replace(config, learning_rate=args.rate, decay_share=1.0)
    if args.adversarial:  # a gentle last phase: a third of the rate, falling from the start
        config = replace(config, adversarial_from_step=0, learning_rate=config.learning_rate / 3, decay_share=1.0)
    Trainer(pool, args.run, str(device), config, seed=args.seed, start=args.start, warp=args.warp).run(
        args.minutes, record=args.record)


def _align(args: argparse.Namespace) -> None:
    from safetensors.torch import save_file

    from symgan_core.generator import BUILTIN, TriPlaneGenerator

    from .alignment import draw_fields, fit_warp
    from .checkpoint import start_from

    generator, used = TriPlaneGenerator(BUILTIN), None
    warp = generator.backbone.warp
    if args.start:
        start_from(args.start, generator)
        used = warp
    save_file(fit_warp(warp, draw_fields(BUILTIN, args.people, args.seed, used)).state_dict(), str(args.out))


def _run(args: argparse.Namespace, out: Path) -> Run:
    from .descent import Run

    return Run(args.minutes, out, args.seed, args.start, args.workers)


def _faces(args: argparse.Namespace) -> None:
    from symgan_core.faces.network import WEIGHTS

    from .faces import train
    from .pool import Pool

    train(Pool.open(args.pool), _run(args, args.out or WEIGHTS))


def _closeup(args: argparse.Namespace) -> None:
    from symgan_core.faces.closeup import WEIGHTS

    from .closeup import train
    from .pool import Pool

    train(Pool.open(args.pool), _run(args, WEIGHTS))


def _points(args: argparse.Namespace) -> None:
    from symgan_core.faces.points import WEIGHTS

    from .points import mean_of_versions, train
    from .pool import Pool

    out = args.out or WEIGHTS
    if args.mean:
        mean_of_versions(args.mean, out)
        return
    train(Pool.open(args.pool), _run(args, out), bfloat16=args.bfloat16)


def _export(args: argparse.Namespace) -> None:
    from .export import export

    export(args.run)


def _views(args: argparse.Namespace) -> None:
    from .views import write_views

    write_views(args.out, args.people, args.seed, args.one_lamp, args.unseen)


def _measure(args: argparse.Namespace) -> None:
    from symgan_core.generator import load_generator

    from .measure import colour_agreement, held_heads

    generator = load_generator("builtin", "cpu")
    print(f"colour and depth agree: median error {colour_agreement(generator):.2f} of 255 on visible pixels")
    held_heads(args.data, generator, args.limit, out=args.json)


def _motions(args: argparse.Namespace) -> None:
    from .motions import write_motions

    write_motions()


def _gallery(args: argparse.Namespace) -> None:
    from .gallery import make_gallery

    make_gallery()


def _sample(args: argparse.Namespace) -> None:
    from .export import sample_sheet

    sample_sheet(args.sheet, seed=args.seed)


if __name__ == "__main__":
    main()
