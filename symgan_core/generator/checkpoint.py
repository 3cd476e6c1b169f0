"""Generators on disk: safetensors with the configuration in its header, checked before a tensor is used."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor

from ..errors import CheckpointError, RequestError
from ..files import check_readable, write_tensors
from ..weights import check_hash, file_hash, shipped_hash
from .config import GeneratorConfig
from .model import TriPlaneGenerator, half_precision_pays

WEIGHTS = Path(__file__).parent / "weights"
BUILTIN_FILE = WEIGHTS / "builtin.safetensors"
FORMAT = "symgan-generator-1"


def builtin_available() -> bool:
    """Whether the built-in weights lie beside the code."""
    return BUILTIN_FILE.is_file()


def source_hash(source: str | Path) -> str:
    """sha256 of the file that ``load_generator(source)`` reads. Raises CheckpointError if there is none."""
    if str(source) == "builtin":
        return shipped_hash(BUILTIN_FILE)
    if not Path(source).is_file():
        raise CheckpointError(f"The generator file '{source}' does not exist.", "Put it back where it was.")
    return file_hash(Path(source))


def resolve_device(device: str | torch.device = "auto") -> torch.device:
    """ "auto" takes CUDA where there is one. Raises RequestError if CUDA is asked for and missing."""
    if str(device) == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise RequestError("No CUDA device was found.", "Use --device cpu or auto.")
    return device


def load_generator(source: str | Path = "builtin", device: str | torch.device = "auto") -> TriPlaneGenerator:
    """Read a generator, ready for inference: no gradients, float32, but for the super-resolution of views where half precision pays.

    Args:
        source: "builtin", or a ``.safetensors`` file written by ``save_generator`` or ``convert``.

    Raises:
        CheckpointError: the file is missing, damaged, or not a generator.
    """
    target = resolve_device(device)
    path = BUILTIN_FILE if str(source) == "builtin" else Path(source)
    check_readable(path, CheckpointError)
    if not path.is_file():
        raise CheckpointError(f"The generator file '{path}' does not exist.", "Name 'builtin' or a .safetensors file.")
    if path.suffix != ".safetensors":
        raise CheckpointError(f"'{path.name}' is not a .safetensors file.",
                              "Convert it first: python -m symgan_core convert FILE OUT.safetensors")
    if path == BUILTIN_FILE:
        check_hash(path)
    config, state = read_state(path)
    generator = generator_of(config, state, CheckpointError(f"'{path.name}' does not fit its own configuration.",
                                                            "The file is damaged or was edited; fetch it again."))
    generator.half_precision = half_precision_pays(target)
    return generator.to(target).eval().requires_grad_(False)


def generator_of(config: GeneratorConfig, state: dict[str, Tensor], misfit: CheckpointError) -> TriPlaneGenerator:
    """A generator with these weights. Names and shapes are compared before memory is taken for it: a configuration may ask for any size.

    Raises:
        CheckpointError: ``misfit``, where they are not those of the configuration.
    """
    try:
        with torch.device("meta"):
            shapes = {name: value.shape for name, value in TriPlaneGenerator(config).state_dict().items()}
        if any(name not in state or state[name].shape != shape for name, shape in shapes.items()):
            raise misfit
        generator = TriPlaneGenerator(config)
        generator.load_state_dict(dict(state), strict=True)
    except CheckpointError:
        raise
    except Exception as error:  # a configuration that makes no network can fail anywhere in it
        raise misfit from error
    return generator


def read_state(path: Path) -> tuple[GeneratorConfig, dict[str, Tensor]]:
    """Configuration and float32 tensors of a generator file; runs nothing out of it."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt", device="cpu") as file:
            meta = file.metadata() or {}
            if meta.get("format") != FORMAT:
                raise CheckpointError(f"'{path.name}' is not a symgan generator.", "Name 'builtin' or a converted file.")
            config = GeneratorConfig.from_dict(json.loads(meta["config"]))
            state = {name: file.get_tensor(name).float() for name in file.keys()}
    except (SafetensorError, AttributeError, KeyError, TypeError, ValueError, OSError, RecursionError, RuntimeError) as error:
        raise CheckpointError(f"'{path.name}' cannot be read as safetensors.", "The file is damaged; fetch it again.") from error
    if not all(torch.isfinite(t).all() for t in state.values()):
        raise CheckpointError(f"'{path.name}' holds numbers that are not finite.", "The file is damaged; fetch it again.")
    return config, state


def save_generator(generator: TriPlaneGenerator, path: str | Path, dtype: torch.dtype = torch.float32) -> None:
    """Write weights and configuration as safetensors."""
    save_state(generator.state_dict(), generator.config, path, dtype)


def save_state(state: dict[str, Tensor], config: GeneratorConfig, path: str | Path, dtype: torch.dtype = torch.float32) -> None:
    """The same from a state dict; the file appears whole or not at all."""
    tensors = {name: t.detach().to("cpu", dtype).contiguous() for name, t in state.items()}
    write_tensors(tensors, path, {"format": FORMAT, "config": json.dumps(config.to_dict())})
