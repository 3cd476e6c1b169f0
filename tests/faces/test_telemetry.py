"""Nothing is told to anybody: onnxruntime's builds for Linux would keep a device id and send what is run."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_finding_a_face_leaves_nothing_in_the_home_folder(tmp_path: Path) -> None:
    code = "from symgan_core.faces import load_provider, read_photo; load_provider().find(read_photo('examples/ada/input.png'))"
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"} | {
        "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True)
    assert not [path for path in tmp_path.rglob("*") if "onnxruntime" in path.name.lower() or path.name == "Microsoft"]
