"""A coloured mesh as glTF 2.0 binary."""

from __future__ import annotations

import json
import struct

import numpy as np

FLOAT, SHORT, INT = 5126, 5123, 5125
"""Component types as the format numbers them: float32, uint16, uint32."""
VERTICES, INDICES = 34962, 34963
"""What a part of the buffer is for."""


def glb(vertices: np.ndarray, faces: np.ndarray, normals: np.ndarray, colours: np.ndarray) -> bytes:
    """One mesh; its colours are shown as they are (KHR_materials_unlit), for they hold the photo's light already. Viewers that do not know
    the extension shade it by the normals.

    Args:
        vertices, normals: ``[V, 3]``; normals of any length, outwards.
        faces: ``[F, 3]``, counter-clockwise from outside.
        colours: ``[V, 3]`` in [0, 1], display values; stored linear, as the format wants.
    """
    linear = np.concatenate([colours**2.2, np.ones((len(colours), 1))], 1)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    units = np.where(length > 1e-8, normals / np.maximum(length, 1e-8), [0.0, 0.0, 1.0])  # the format allows unit vectors alone
    parts = [vertices.astype("<f4").tobytes(), (linear * 65535).round().astype("<u2").tobytes(), faces.astype("<u4").tobytes(),
             units.astype("<f4").tobytes()]
    views, offset = [], 0
    for part, target in zip(parts, (VERTICES, VERTICES, INDICES, VERTICES), strict=True):
        views.append({"buffer": 0, "byteOffset": offset, "byteLength": len(part), "target": target})
        offset += len(part)
    count = len(vertices)
    accessors = [
        {"bufferView": 0, "componentType": FLOAT, "count": count, "type": "VEC3",
         "min": vertices.min(0).tolist(), "max": vertices.max(0).tolist()},
        {"bufferView": 1, "componentType": SHORT, "count": count, "type": "VEC4", "normalized": True},
        {"bufferView": 2, "componentType": INT, "count": faces.size, "type": "SCALAR"},
        {"bufferView": 3, "componentType": FLOAT, "count": count, "type": "VEC3"}]
    scene = {
        "asset": {"version": "2.0", "generator": "symgan"}, "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}],
        "extensionsUsed": ["KHR_materials_unlit"],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0, "NORMAL": 3, "COLOR_0": 1}, "indices": 2, "material": 0}]}],
        "materials": [{"pbrMetallicRoughness": {"metallicFactor": 0, "roughnessFactor": 1}, "doubleSided": True,
                       "extensions": {"KHR_materials_unlit": {}}}],
        "buffers": [{"byteLength": offset}], "bufferViews": views, "accessors": accessors}
    return _packed(json.dumps(scene).encode(), b"".join(parts))


def _packed(text: bytes, body: bytes) -> bytes:
    text += b" " * (-len(text) % 4)
    body += b"\0" * (-len(body) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(body), b"BIN\0") + body
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
