"""MediaPipe's attention mesh as a judge of faces, read by MediaPipe's own package: not by the mesh that edits are made with.

The package need not be installed beside this project, whose versions it does not share: ``MEDIAPIPE_PYTHON`` names an interpreter that has
it (``python -m venv judge; judge/bin/pip install mediapipe==0.10.14``). This file runs there as a program and imports nothing of ours.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys

import numpy as np

POINTS = 468
"""Of the 478 the first so many: the others are of irises."""
HEADER = struct.Struct("<ii")
"""Height and width in pixels, ahead of a picture's bytes; number of points, ahead of theirs."""
SURE = 0.3
"""Least confidence with which a face is found."""


class AttentionMesh:
    """Reads one picture after another, in a process of its own."""

    def __init__(self) -> None:
        python = os.environ.get("MEDIAPIPE_PYTHON", sys.executable)
        self._process = subprocess.Popen([python, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def __call__(self, image: np.ndarray) -> np.ndarray | None:
        """``[468, 2]`` pixels in a uint8 picture ``[H, W, 3]``, or None where no face is found.

        Raises:
            RuntimeError: the interpreter has no ``mediapipe``.
        """
        try:
            self._process.stdin.write(HEADER.pack(*image.shape[:2]) + np.ascontiguousarray(image).tobytes())
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # told below
        head = self._process.stdout.read(HEADER.size)
        if len(head) < HEADER.size:
            raise RuntimeError("No mediapipe there: MEDIAPIPE_PYTHON must name an interpreter that has the package.")
        count, _ = HEADER.unpack(head)
        found = np.frombuffer(self._process.stdout.read(16 * count), np.float64).reshape(count, 2)
        return found * image.shape[1::-1] if count else None

    def close(self) -> None:
        """End the process."""
        self._process.stdin.close()
        self._process.wait()


def serve() -> None:
    """Answer pictures on the standard input with points, as shares of width and height, on the standard output."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # the package prints
    import mediapipe  # in this interpreter alone

    reader = mediapipe.solutions.face_mesh.FaceMesh(static_image_mode=True, refine_landmarks=True, min_detection_confidence=SURE)
    while len(head := sys.stdin.buffer.read(HEADER.size)) == HEADER.size:
        height, width = HEADER.unpack(head)
        image = np.frombuffer(sys.stdin.buffer.read(3 * height * width), np.uint8).reshape(height, width, 3)
        faces = reader.process(image).multi_face_landmarks or []
        points = np.array([[p.x, p.y] for p in faces[0].landmark[:POINTS]] if faces else np.zeros((0, 2)), np.float64)
        answers.write(HEADER.pack(len(points), 2) + points.tobytes())
        answers.flush()


if __name__ == "__main__":
    serve()
