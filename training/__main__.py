"""``python -m training render | train | export``: people, training, and the file that ships."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # two busy processes on two cores: spinning threads cost 10 times

import argparse
from pathlib import Path


def main() -> None:
    """Parse the command line and run one command."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (("render", "render people into a pool"), ("train", "train, resuming what the folder holds"),
                       ("faces", "train the face network on the pool"),
                       ("export", "write the weights that ship, with their editing directions"),
                       ("gallery", "make the example portraits"), ("sample", "a picture of random people of a run")):
        command = commands.add_parser(name, help=text)
        command.add_argument("--pool", type=Path, default=Path("scratch/pool"), help="folder of rendered people")
        command.add_argument("--run", type=Path, default=Path("scratch/run"), help="folder of checkpoints, log and sheets")
        command.add_argument("--people", type=int, default=2048, help="size of a new pool")
        command.add_argument("--workers", type=int, default=1, help="processes that render")
        command.add_argument("--minutes", type=float, default=60, help="time budget")
        command.add_argument("--device", default="auto")
        command.add_argument("--seed", type=int, default=0)
    globals()[f"_{(args := parser.parse_args()).command}"](args)


def _render(args: argparse.Namespace) -> None:
    import time

    from .pool import Pool, start_workers

    pool = Pool.open(args.pool, args.people)
    start_workers(pool, args.workers, args.seed + len(pool.ready()))
    end = time.monotonic() + 60 * args.minutes
    while time.monotonic() < end and len(pool.ready()) < pool.heads:
        time.sleep(2)
    print(f"{len(pool.ready())} of {pool.heads} people")


def _train(args: argparse.Namespace) -> None:
    from symgan_core.generator.checkpoint import resolve_device

    from .pool import Pool, start_workers
    from .train import Trainer

    pool = Pool.open(args.pool, args.people)
    start_workers(pool, args.workers, args.seed + 1000 + len(pool.ready()))
    Trainer(pool, args.run, str(resolve_device(args.device)), seed=args.seed).run(args.minutes)


def _faces(args: argparse.Namespace) -> None:
    from .faces import train
    from .pool import Pool

    train(Pool.open(args.pool), args.minutes, seed=args.seed)


def _export(args: argparse.Namespace) -> None:
    from .export import export

    export(args.run)


def _gallery(args: argparse.Namespace) -> None:
    from .gallery import make_gallery

    make_gallery()


def _sample(args: argparse.Namespace) -> None:
    from .export import sample_sheet

    sample_sheet(Path("docs/samples.jpg"), seed=args.seed)


if __name__ == "__main__":
    main()
