"""Shipped ONNX networks, run by onnxruntime: imported when a network is first asked for."""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from ..environment import without_telemetry
from ..weights import check_hash

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

MEDIAPIPE = Path(__file__).parent / "weights" / "mediapipe"
"""MediaPipe's networks."""
THREADS = 1
"""A network: each answers within milliseconds, and threads that wait for work would keep other processes from theirs."""


def available() -> bool:
    """Whether onnxruntime is installed."""
    return importlib.util.find_spec("onnxruntime") is not None


@lru_cache(maxsize=8)
def load_session(path: Path) -> InferenceSession:
    """The network of a shipped file.

    Raises:
        CheckpointError: the file is damaged.
        ImportError: onnxruntime is not installed.
    """
    without_telemetry()
    import onnxruntime

    check_hash(path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = THREADS
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run(path: Path, picture: Tensor) -> list[np.ndarray]:
    """Outputs of the network of ``path`` for one ``picture [1, 3, S, S]``."""
    return [np.asarray(output) for output in load_session(path).run(None, {"picture": picture.contiguous().numpy()})]
