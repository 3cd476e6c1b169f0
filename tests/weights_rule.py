"""Deterministic weights of the golden fixtures: every tensor has its own random stream, seeded by its name."""

import zlib

import numpy as np

_TAPS = np.array([1, 3, 3, 1], np.float32)
_SCALES = {"noise_strength": 0.1, "w_avg": 0.3, "noise_const": 1.0, "const": 1.0}


def make_state(shapes: dict[str, list[int]], density_bias: float) -> dict[str, np.ndarray]:
    return {name: _tensor(name, shape, density_bias) for name, shape in shapes.items()}


def _tensor(name: str, shape: list[int], density_bias: float) -> np.ndarray:
    leaf = name.rsplit(".", 1)[-1]
    if leaf == "resample_filter":
        return np.outer(_TAPS, _TAPS) / np.float32(64)
    stream = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
    n = np.asarray(stream.standard_normal(tuple(shape), dtype=np.float32), np.float32).reshape(tuple(shape))
    if leaf == "dataset_label_std":
        return np.abs(n)
    if leaf in _SCALES:
        return n * np.float32(_SCALES[leaf])
    if "affine" in name:
        return n * np.float32(0.5) if leaf == "weight" else n * np.float32(0.1) + np.float32(1)
    if ".mapping.fc" in name:
        return n * np.float32(100 if leaf == "weight" else 10)
    if name == "decoder.net.2.weight":
        n[0] *= np.float32(120)
        return n
    if leaf == "weight":
        return n * np.float32(0.5) if "torgb" in name else n
    out = n * np.float32(0.1)
    if name == "decoder.net.2.bias":
        out[0] += np.float32(density_bias)
    return out
