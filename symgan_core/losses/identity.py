"""Identity: cosine of face embeddings, where insightface's recognition model is on disk."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ..environment import home, without_telemetry


def _model_file() -> Path | None:
    folder = home()
    if folder is None:
        return None
    root = folder / ".insightface" / "models"
    return next(iter(sorted(root.glob("*/w600k_r50.onnx")) + sorted(root.glob("*/glintr100.onnx"))), None)


@lru_cache(maxsize=1)
def _load_model(file: Path) -> Any:
    without_telemetry()
    from insightface.model_zoo import get_model

    model: Any = get_model(str(file), providers=["CPUExecutionProvider"])
    model.prepare(ctx_id=-1)
    return model


def identity_available() -> bool:
    """Whether a recognition model is on disk. It is never downloaded here (its licence is non-commercial)."""
    return _model_file() is not None


def identity_similarity(a: np.ndarray, b: np.ndarray) -> float | None:
    """Cosine similarity of two aligned uint8 RGB pictures, or None without a recognition model."""
    file = _model_file()
    if file is None:
        return None
    model = _load_model(file)
    x, y = (model.get_feat(image[..., ::-1].copy()).ravel() for image in (a, b))
    return float(x @ y / (np.linalg.norm(x) * np.linalg.norm(y) + 1e-9))
