"""``python -m tests.fuzz --count 5000 --seed 0``: prints outcomes, the worst time, growth of memory; ends with 1 where anything failed."""

import argparse
import sys

from .running import run

parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
parser.add_argument("--count", type=int, default=5000)
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
report = run(args.count, args.seed, lambda line: print(line, file=sys.stderr, flush=True))
print(*report.lines(), sep="\n")
sys.exit(bool(report.faults))
