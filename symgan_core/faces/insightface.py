"""The provider ``insightface``: its detector proposes, pose, points and frame are read by our own networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ..environment import home, without_telemetry
from ..errors import RequestError
from .detect import WORK, read_faces
from .provider import Face

MODELS = "buffalo_l"


class InsightFaces:
    """insightface's detector; its models are for non-commercial use and are never downloaded here.

    Raises:
        RequestError: the package or its models are not there.
    """

    name = "insightface"

    def __init__(self) -> None:
        if not list((insightface_root() / "models" / MODELS).glob("det_*.onnx")):
            raise RequestError("insightface's models are not on disk.", f"Put '{MODELS}' into {insightface_root() / 'models'}, "
                               "if their non-commercial licence suits you.")
        without_telemetry()
        try:
            from insightface.app import FaceAnalysis
        except ImportError as error:
            raise RequestError("The face provider 'insightface' needs that package.", "Install it: pip install insightface") from error
        self._app = FaceAnalysis(name=MODELS, root=str(insightface_root()), allowed_modules=["detection"],
                                 providers=["CPUExecutionProvider"])
        self._app.prepare(ctx_id=-1, det_size=(WORK, WORK))

    def find(self, photo: np.ndarray) -> list[Face]:
        squares = []
        for face in self._app.get(np.ascontiguousarray(photo[..., ::-1])):
            x0, y0, x1, y1 = face.bbox
            squares.append((1.6 * max(x1 - x0, y1 - y0), 0.0, (x0 + x1) / 2, (y0 + y1) / 2 - 0.08 * (y1 - y0)))
        return read_faces(photo, torch.tensor(squares, dtype=torch.float32).reshape(-1, 4), judged=True)


def insightface_root() -> Path:
    """Where insightface keeps its models; without a home folder, below the current one."""
    return (home() or Path()) / ".insightface"
