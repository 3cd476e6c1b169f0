"""The command line. Exit codes: 0 done; 2 the request or the photo cannot be used (one line says why); 130 after Ctrl-C, 143 after SIGTERM;
1 anything else."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from .errors import TOO_LITTLE_MEMORY, RequestError, SymganError, is_out_of_memory
from .files import check_file, check_results, clear_partials, results_into, told, write_text
from .interrupts import ended_by_signals, first_interrupt_asks
from .progress import Bar, driven

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""
STOPPING = "Stopping: the best so far is being written. Ctrl-C again ends at once and keeps nothing."


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # one line, like every other refusal
        raise RequestError(f"{message[0].upper()}{message[1:]}.", f"See: {self.prog} --help")


def build_parser() -> argparse.ArgumentParser:
    """The fixed commands of the design."""
    program = "symgan" if Path(sys.argv[0]).stem == "symgan" else "python -m symgan_core"
    parser = _Parser(prog=program, description="One photo of a face in, a head that can be turned out.")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)

    invert = commands.add_parser("invert", help="photo to 3D portrait")
    invert.add_argument("photo")
    invert.add_argument("--out", required=True, type=Path, help="folder to write")
    _how(invert)
    invert.add_argument("--face", type=int, help="which face, 0 = largest")
    invert.add_argument("--yaw", type=float, help="degrees; > 0: the person's left side is seen")
    invert.add_argument("--pitch", type=float, help="degrees; > 0: seen from above")
    invert.add_argument("--json", action="store_true", help="print the report as JSON")

    batch = commands.add_parser("batch", help="many photos, each once; a cut run goes on where it was")
    batch.add_argument("folder", type=Path, help="photos, in folders below it too")
    batch.add_argument("--out", required=True, type=Path, help="folder to write: a folder for each photo, and a report")
    _how(batch)
    batch.add_argument("--workers", type=int, default=1, help="processes; each has its share of the cores")
    batch.add_argument("--ray", metavar="ADDRESS", help="a Ray cluster, or `local`: one of --workers here")
    batch.add_argument("--gpus", type=float, default=0.0, help="with --ray: the part of a GPU that a photo needs, e.g. 0.5")

    render = commands.add_parser("render", help="one view of a portrait, or a film of an expression")
    render.add_argument("folder", type=Path)
    render.add_argument("--yaw", type=float, default=0.0)
    render.add_argument("--pitch", type=float, default=0.0)
    render.add_argument("--zoom", type=float, default=1.0)
    render.add_argument("--detail", default="on", choices=["on", "off"], help="the photo's own detail")
    render.add_argument("--edit", nargs="+", default=[], metavar="NAME=STRENGTH",
                        help="editing directions, e.g. age=1.5 smile=1, and expressions by name: smile, surprise, frown, wink")
    render.add_argument("--background", default="white", help="a colour (name or #rrggbb), blurred (the photo's own) or transparent")
    render.add_argument("--directions", type=Path, help="a .safetensors file with directions of your own")
    render.add_argument("--out", required=True, type=Path, help="a picture, or an .mp4 that goes from the face as it is to --edit and back")
    _common(render)

    convert = commands.add_parser("convert", help="official EG3D pickle to safetensors, running nothing out of it")
    convert.add_argument("source", type=Path)
    convert.add_argument("out", type=Path)

    evaluate = commands.add_parser("evaluate", help="score methods on a multi-view file, on people with people.json, or on photos")
    evaluate.add_argument("data", type=Path, help="an .npz, a folder with people.json, a photo, or a folder of photos")
    evaluate.add_argument("--methods", nargs="+", default=["spi", "pti", "w_plus", "w"], help="names, or .py files")
    evaluate.add_argument("--preset", default="balanced")
    evaluate.add_argument("--generator", default="builtin")
    evaluate.add_argument("--limit", type=int)
    evaluate.add_argument("--seeds", nargs="+", type=int, default=[0], help="with several, means and their spread")
    evaluate.add_argument("--json", type=Path, required=True, dest="out")
    _common(evaluate)

    export = commands.add_parser("export", help="coloured mesh of a portrait")
    export.add_argument("folder", type=Path)
    export.add_argument("--out", required=True, type=Path, help="a .glb file")
    _common(export)

    faces = commands.add_parser("faces", help="faces of a photo, with points and pose")
    faces.add_argument("photo")
    faces.add_argument("--json", type=Path, required=True, dest="out")
    return parser


def _how(parser: argparse.ArgumentParser) -> None:
    """How photos are inverted."""
    parser.add_argument("--method", default="spi", help="spi, pti, w_plus, w, pose_opt, hfgi3d, spi_paper, or a .py file with one")
    parser.add_argument("--preset", default="balanced", help="fast, balanced, best")
    parser.add_argument("--generator", default="builtin", help="builtin, or a converted .safetensors file")
    parser.add_argument("--seed", type=int, default=0)
    _common(parser)


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    try:
        args = build_parser().parse_args(argv)
        with ended_by_signals():
            return globals()[f"_{args.command}"](args) or 0
    except SymganError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return INTERRUPTED
    except OSError as error:
        print(told(error), file=sys.stderr)
        return 1
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        print(*TOO_LITTLE_MEMORY, file=sys.stderr)
        return 1


def _invert(args: argparse.Namespace) -> int:
    from .faces import read_photo
    from .inversion import PhotoRequest
    from .jobs import RESULTS, Order, chosen_method, invert_into, load_tools

    order = Order(args.method, args.preset, args.generator, args.device, args.seed, PhotoRequest(args.face, args.yaw, args.pitch))
    method = chosen_method(order)  # a wrong name is said before any work
    if args.out.exists() and not args.out.is_dir():
        raise RequestError(f"'{args.out}' is a file.", "Name a folder.")
    check_results(args.out, RESULTS, [args.photo])
    clear_partials(args.out)
    begun, bar = time.monotonic(), Bar()
    photo = read_photo(args.photo)
    tools = load_tools(order, method)
    with results_into(args.out) as folder, first_interrupt_asks(lambda: bar.say(STOPPING)) as stopped:
        report = driven(invert_into(folder, photo, order, tools, stopped, begun), bar.show)
    bar.close()
    if skipped := report.get("skipped_steps"):
        print(f"Steps that led to numbers that are not finite were left out: {_listed(skipped)}.", file=sys.stderr)
    early = "Stopped early; the best so far is kept. " if stopped() else ""
    print(json.dumps(report) if args.json else f"{early}Wrote {args.out / 'orbit.mp4'} and its portrait.")
    return INTERRUPTED if stopped() else 0


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} in {stage}" for stage, count in counts.items())


def _batch(args: argparse.Namespace) -> None:
    from .batch import Workers, run_batch
    from .jobs import Order

    order = Order(args.method, args.preset, args.generator, args.device, args.seed)
    summary = run_batch(args.folder, args.out, order, Workers(args.workers, args.ray, args.gpus), Bar())
    print(summary)


def _method(name: str) -> str:
    """The name of a method, that of a file (``my_method.py``) being the one that it registers."""
    from .inversion import load_method

    return load_method(name) if name.endswith(".py") else name


def _render(args: argparse.Namespace) -> None:
    from .export import Pose, write_expression, write_still
    from .inversion import Portrait3D

    strengths, film = _strengths(args.edit), args.out.suffix.lower() == ".mp4"
    if film:
        _film_is_possible(args, strengths)
    elif args.out.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp"):
        raise RequestError(f"'{args.out.name}' is not a picture name.", "End it in .png, .jpg or .webp, or a film in .mp4.")
    check_file(args.out)
    portrait = Portrait3D.load(args.folder, args.device)
    if film:
        bar = Bar()
        write_expression(portrait, args.out, strengths, progress=lambda i, n: bar.show("video", i, n), background=args.background,
                         directions=args.directions)
        bar.close()
        return
    if strengths:
        portrait = portrait.edit(strengths, args.directions)
    write_still(portrait, args.out, Pose(args.yaw, args.pitch, args.zoom), args.background, args.detail == "on")


def _film_is_possible(args: argparse.Namespace, strengths: dict[str, float]) -> None:
    if not strengths:
        raise RequestError("A film needs --edit with a strength.", "For example: --edit smile. `invert` writes the turning film.")
    if args.yaw or args.pitch or args.zoom != 1 or args.detail != "on":
        raise RequestError("A film chooses its views itself.", "Leave --yaw, --pitch, --zoom and --detail out.")


def _convert(args: argparse.Namespace) -> None:
    from .generator.official import convert

    if args.out.suffix != ".safetensors":
        raise RequestError(f"'{args.out.name}' is not a .safetensors name.", "Name the result OUT.safetensors.")
    check_file(args.out, [args.source])
    config = convert(args.source, args.out)
    print(f"Wrote {args.out}: {config.image_resolution} pixels, rendered at {config.neural_rendering_resolution}.")


def _evaluate(args: argparse.Namespace) -> None:
    from .evaluation import evaluate, methods_at
    from .generator import load_generator

    given = [args.data, args.data / "people.json", *(p for p in args.data.rglob("*") if p.suffix.lower() != ".json")]
    check_file(args.out, given)
    if not args.out.exists():  # else the sheet beside it is that of an earlier run
        check_file(args.out.with_name(f"{args.out.stem}-sheet.jpg"), given)
    clear_partials(args.out.parent)
    generator = load_generator(args.generator, args.device)
    bar = Bar()

    def progress(method: str, name: str, done: int, total: int) -> None:
        if bar.live:
            bar.show(f"{method}: {name:12}", done, total)
        else:  # a log
            print(f"{method}: {name} ({done + 1} of {total})", file=sys.stderr)

    methods = methods_at(args.preset, *map(_method, args.methods))
    result = evaluate(args.data, methods, generator, args.limit, args.out, args.seeds, progress)
    bar.close()
    columns = (("input", "psnr"), ("input", "lpips"), ("novel", "psnr"), ("novel", "lpips"), ("novel", "haarpsi"), ("hidden", "haarpsi"),
               ("novel", "depth_l1"), ("turned", "psnr"), ("turned", "haarpsi"), ("real", "lpips_face"), ("real", "points"),
               ("real", "identity_distance"), ("sharpness", "mean"))
    means = {method: scores["mean"] for method, scores in result["methods"].items()}
    shown = [(part, key) for part, key in columns if any(part in mean for mean in means.values())]
    names = {"depth_l1": "depth", "lpips_face": "LPIPS", "identity_distance": "identity", "mean": ""}
    print("| method | " + " | ".join(f"{part} {names.get(key, key)}".strip() for part, key in shown) + " | seconds |")
    print("|---" * (len(shown) + 2) + "|")
    for method, mean in means.items():
        values = [*(mean[part][key] for part, key in shown), mean["seconds"]]
        print(f"| {method} | " + " | ".join("–" if v is None else f"{v:.4g}" for v in values) + " |")


def _export(args: argparse.Namespace) -> None:
    from .inversion import Portrait3D

    check_file(args.out)
    Portrait3D.load(args.folder, args.device).mesh(args.out)


def _faces(args: argparse.Namespace) -> None:
    from .faces import MOST_FACES, load_provider, read_photo

    check_file(args.out, [args.photo])
    provider = load_provider()
    found: dict[str, Any] = {"provider": provider.name, "faces": [f.to_dict() for f in provider.find(read_photo(args.photo))]}
    write_text(args.out, json.dumps(found, indent=1) + "\n")
    many = f" There may be more: the largest {MOST_FACES} are listed." if len(found["faces"]) >= MOST_FACES else ""
    print(f"{len(found['faces'])} face(s) found by the provider '{provider.name}'.{many}")


def _strengths(words: list[str]) -> dict[str, float]:
    """Of NAME=STRENGTH, and of an expression's name alone all its strengths; what comes later counts."""
    from .portrait.editing import PRESETS

    out: dict[str, float] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign and name in PRESETS:
            out |= PRESETS[name]
            continue
        try:
            out[name] = float(value)
        except ValueError:
            raise RequestError(f"'{word}' is neither NAME=STRENGTH nor an expression ({', '.join(PRESETS)}).",
                               "For example: --edit age=1.5 smile=-1, or --edit surprise") from None
    return out
