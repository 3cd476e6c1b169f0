"""``python -m training.ablate DATA --json OUT``: what each part of the method is worth, as the change of the figures without it.

DATA is what ``evaluate`` takes. A run that was cut goes on where it was.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before torch: two busy processes on two cores cost 10 times

import argparse
import sys
from pathlib import Path
from typing import Any

from symgan_core.evaluation import ablation_variants, evaluate
from symgan_core.generator import load_generator

COLUMNS = (("input", "lpips"), ("novel", "lpips"), ("hidden", "haarpsi"), ("novel", "depth_l1"), ("real", "lpips_face"), ("real", "points"),
           ("real", "identity_distance"), ("sharpness", "mean"))
"""What is printed, as far as DATA has it."""


def main() -> None:
    """Run all variants, or those that are named, and print how their means differ from the whole method's."""
    parser = argparse.ArgumentParser(prog="python -m training.ablate", description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--json", type=Path, required=True, dest="out")
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--method", default="spi")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--limit", type=int)
    parser.add_argument("--only", nargs="+", metavar="PART", help="e.g. pivot.mirror tuning.grow")
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    variants = ablation_variants(args.preset, args.method)
    if args.only:
        variants = {name: variants[name] for name in (args.method, *(f"without-{part}" for part in args.only))}
    result = evaluate(args.data, variants, load_generator("builtin", args.device), limit=args.limit, out=args.out, seeds=args.seeds,
                      progress=lambda name, who, done, total: print(f"{name}: {who} ({done + 1} of {total})", file=sys.stderr))
    print("\n".join(table(result["methods"])))


def table(methods: dict[str, Any]) -> list[str]:
    """Lines of Markdown: the first method's means with their spread from seed to seed, then what changes in the others."""
    first, *others = methods.items()
    base, spread = first[1]["mean"], first[1].get("spread", {})
    shown = [(part, key) for part, key in COLUMNS if base.get(part, {}).get(key) is not None]
    own = [f"{base[part][key]:.4f}" + (f" ± {spread[part][key]:.4f}" if spread else "") for part, key in shown]
    head = " | ".join(f"{part} {key}" for part, key in shown)
    lines = [f"| | {head} |", "|---" * (len(shown) + 1) + "|", f"| {first[0]} | {' | '.join(own)} |"]
    for name, scores in others:
        values = [scores["mean"][part][key] for part, key in shown]
        changes = ["–" if v is None else f"{v - base[part][key]:+.4f}" for v, (part, key) in zip(values, shown, strict=True)]
        lines.append(f"| {name} | {' | '.join(changes)} |")
    return lines


if __name__ == "__main__":
    main()
