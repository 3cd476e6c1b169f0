"""The process that decodes one HEIF: bytes come in, a line of JSON, the colour profile and the pixels go out. Imports nothing of symgan."""

from __future__ import annotations

import json
import sys


def main() -> None:
    """Set the limits, then decode."""
    limits = json.loads(sys.argv[1])
    sys.path[:] = limits["path"]
    try:
        import resource
    except ImportError:  # Windows: time alone is limited, by whoever waits
        pass
    else:
        resource.setrlimit(resource.RLIMIT_AS, (limits["memory"],) * 2)
        resource.setrlimit(resource.RLIMIT_CPU, (limits["seconds"],) * 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    import pillow_heif

    options = pillow_heif.options
    options.DECODE_THREADS, options.THUMBNAILS, options.DEPTH_IMAGES, options.AUX_IMAGES = 1, False, False, False
    image = pillow_heif.HeifFile(sys.stdin.buffer.read(), convert_hdr_to_8bit=True, remove_stride=True)
    image = image[image.primary_index]
    size, profile = image.size, image.info.get("icc_profile") or b""
    if max(size) > limits["side"] or size[0] * size[1] > limits["pixels"]:
        answer(size, (0, 0), "L", b"", b"")
        return
    picture = image.to_pillow()
    picture = picture.convert("RGBA" if picture.mode in ("RGBA", "RGBa", "LA") else "RGB")
    factor = max(1, max(picture.size) // limits["work"])
    if factor > 1:
        picture = picture.reduce(factor)
    answer(size, picture.size, picture.mode, profile, picture.tobytes())


def answer(size: tuple[int, int], shape: tuple[int, int], mode: str, profile: bytes, pixels: bytes) -> None:
    """Write what was found: the size of the file's picture, shape and mode of the pixels that follow."""
    told = {"size": size, "shape": shape, "mode": mode, "profile": len(profile)}
    sys.stdout.buffer.write(json.dumps(told).encode() + b"\n" + profile + pixels)


if __name__ == "__main__":
    main()
