"""The official EG3D pickle, read without running anything out of it (``shared/spec/eg3d.md`` section 8)."""

from __future__ import annotations

import collections
import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import CheckpointError
from ..files import check_readable
from .checkpoint import generator_of, save_state
from .config import GeneratorConfig, SuperResolutionConfig

_SUPERRESOLUTION = {
    "SuperresolutionHybrid8XDC": {"channels": (256, 128)},
    "SuperresolutionHybrid8X": {"channels": (128, 64), "own_filter": True},
    "SuperresolutionHybrid4X": {"channels": (128, 64), "upsample": (False, True), "resize": "smaller", "own_filter": True},
    "SuperresolutionHybrid2X": {"input_resolution": 64, "channels": (128, 64), "upsample": (False, True), "own_filter": True},
}


MAX_MODULES = 2000
"""The official network has some hundred."""
MAX_UNPACKED = 1.1
"""Bytes in a .pt or .pth, by those of the file: PyTorch packs nothing."""


class _Bag:
    """Stands in for every network class of the file: keeps the attributes, runs nothing."""

    def __setstate__(self, state: Any) -> None:
        self.state = state if isinstance(state, dict) else {}


class _Persistent:
    """The record of a persistent object: its source text is ignored, its state kept."""

    def __init__(self, meta: Any) -> None:
        if not isinstance(meta, dict) or not isinstance(meta.get("state"), dict):
            raise pickle.UnpicklingError("a persistent object without state")
        self.class_name, self.state = str(meta.get("class_name")), meta["state"]


class _EasyDict(dict):
    pass


def _load_storage(data: Any) -> Any:
    """The bytes of one storage: a legacy torch stream, read with ``weights_only=True`` and mapped to the CPU."""
    if not isinstance(data, bytes):
        raise pickle.UnpicklingError("a storage that is not bytes")
    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


def _own_numbers(tensor: Tensor) -> Tensor:
    """The tensor, unless it has more numbers than its file: one number may be repeated without end by a stride of 0."""
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise pickle.UnpicklingError("a tensor larger than its storage")
    return tensor


def _rebuild_parameter(tensor: Any, requires_grad: Any = None, hooks: Any = None) -> Tensor:
    if not isinstance(tensor, Tensor):
        raise pickle.UnpicklingError("a parameter that is not a tensor")
    return tensor


_ALLOWED: dict[tuple[str, str], Any] = {
    ("torch_utils.persistence", "_reconstruct_persistent_obj"): _Persistent,
    ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    ("torch.storage", "_load_from_bytes"): _load_storage,
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("dnnlib.util", "EasyDict"): _EasyDict,
    ("numpy.core.multiarray", "scalar"): np._core.multiarray.scalar,
    ("numpy._core.multiarray", "scalar"): np._core.multiarray.scalar,
    ("numpy", "dtype"): np.dtype,
    ("training.triplane", "OSGDecoder"): _Bag,
    ("training.volumetric_rendering.renderer", "ImportanceRenderer"): _Bag,
    ("training.volumetric_rendering.ray_marcher", "MipRayMarcher2"): _Bag,
    ("training.volumetric_rendering.ray_sampler", "RaySampler"): _Bag,
    ("torch.nn.modules.container", "Sequential"): _Bag,
    ("torch.nn.modules.activation", "Softplus"): _Bag,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise CheckpointError(f"The file asks for '{module}.{name}', which is refused.",
                                  "It is not an official EG3D checkpoint, or not a safe one.")
        return _ALLOWED[module, name]

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("outside references are refused")


def convert(source: str | Path, out: str | Path) -> GeneratorConfig:
    """Turn an official ``.pkl``, or a plain state dict (``.pt``, ``.pth``), into safetensors with its configuration.

    Raises:
        CheckpointError: missing, damaged, hostile, or of another network. Nothing is written then.
    """
    config, state = (read_state_dict if Path(source).suffix.lower() in (".pt", ".pth") else read_official)(source)
    broken = next((name for name, value in state.items() if not torch.isfinite(value).all()), None)
    if broken:
        raise CheckpointError(f"The weights '{broken}' hold numbers that are not finite.", "The file is damaged; fetch it again.")
    generator = generator_of(config, state, CheckpointError("The file holds another network than its settings say.", "Fetch it again."))
    save_state(generator.state_dict(), config, out)
    return config


def read_official(source: str | Path) -> tuple[GeneratorConfig, dict[str, Tensor]]:
    """Configuration and tensors of ``G_ema``."""
    path = Path(source)
    check_readable(path, CheckpointError)
    if not path.is_file():
        raise CheckpointError(f"There is no file '{path}'.", "Check the path.")
    try:
        with path.open("rb") as file:
            content = _Unpickler(file).load()
        generator = content["G_ema"]
        state = dict(_tensors(generator))
        return _config(generator.state), state
    except CheckpointError:
        raise
    except Exception as error:  # a hostile or damaged pickle can raise anything
        raise CheckpointError(f"'{path.name}' is not an official EG3D checkpoint.", "The file is damaged or of another kind.") from error


def read_state_dict(source: str | Path) -> tuple[GeneratorConfig, dict[str, Tensor]]:
    """Tensors of a plain state dict with the official names; the architecture is read off their shapes, the rendering settings are those
    of the FFHQ checkpoints."""
    path = Path(source)
    check_readable(path, CheckpointError)
    if not path.is_file():
        raise CheckpointError(f"There is no file '{path}'.", "Check the path.")
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if sum(one.file_size for one in archive.infolist()) > MAX_UNPACKED * path.stat().st_size + 2**16:
                    raise ValueError("a packed archive")
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a hostile or damaged file raises
        raise CheckpointError(f"'{path.name}' is not a state dict of plain tensors.", "Save generator.state_dict() alone.") from error
    for key in ("G_ema", "state_dict"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(isinstance(v, Tensor) for v in content.values()):
        raise CheckpointError(f"'{path.name}' is not a state dict of plain tensors.", "Save generator.state_dict() alone.")
    try:
        state = {str(k): _own_numbers(v.detach()).float().contiguous() for k, v in content.items()}
        return _config_of_shapes({k: tuple(v.shape) for k, v in state.items()}), state
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError, pickle.UnpicklingError) as error:  # RuntimeError: larger than memory
        raise CheckpointError(f"'{path.name}' does not have the names of an EG3D generator.", "Save the state dict of G_ema.") from error


def _config_of_shapes(shapes: dict[str, tuple[int, ...]]) -> GeneratorConfig:
    planes = "backbone.synthesis.b"
    sizes = sorted(int(name[len(planes):].split(".")[0]) for name in shapes if name.startswith(planes) and name.endswith(".torgb.bias"))
    if sizes != [2**k for k in range(2, len(sizes) + 2)] or not 4 <= sizes[-1] <= 1024:
        raise ValueError("the backbone's blocks are not 4, 8, 16 …")
    widths = {r: shapes[f"{planes}{r}.conv1.bias"][0] for r in sizes}
    inner, image = (shapes[f"superresolution.block{i}.conv1.noise_const"][0] for i in range(2))
    both = inner == 256  # of the official modules, 8X and 8XDC alone double twice (spec section 6)
    hidden, c_dim = shapes["backbone.mapping.embed.weight"]
    wide = shapes["superresolution.block0.conv1.bias"][0], shapes["superresolution.block1.conv1.bias"][0]
    return GeneratorConfig(
        name="eg3d", z_dim=shapes["backbone.mapping.fc0.weight"][1] - hidden, w_dim=shapes["backbone.mapping.w_avg"][0], c_dim=c_dim,
        image_resolution=image, plane_resolution=sizes[-1], plane_channels=shapes["decoder.net.0.weight"][1],
        channel_base=widths[sizes[-1]] * sizes[-1], channel_max=max(widths.values()),
        mapping_layers=sum(name.startswith("backbone.mapping.fc") and name.endswith(".bias") for name in shapes),
        mapping_features=hidden, decoder_hidden=shapes["decoder.net.0.bias"][0], neural_rendering_resolution=128 if image == 512 else 64,
        superresolution=SuperResolutionConfig(
            input_resolution=inner // 2 if both else inner, channels=wide, upsample=(both, True),
            resize="smaller" if inner == 128 else "differs", own_filter="superresolution.resample_filter" in shapes))


def _tensors(module: Any) -> list[tuple[str, Tensor]]:
    """All parameters and buffers, in a walk of bounded length: modules that hold each other would make it endless."""
    out, left = [], [("", module)]
    for _ in range(MAX_MODULES):
        if not left:
            return out
        prefix, module = left.pop()
        state = module.state
        for group in ("_parameters", "_buffers"):
            for name, value in state.get(group, {}).items():
                if isinstance(value, Tensor):
                    out.append((f"{prefix}{name}", _own_numbers(value.detach()).float().contiguous()))
        left += [(f"{prefix}{name}.", child) for name, child in state.get("_modules", {}).items() if child is not None]
    raise pickle.UnpicklingError("too many modules")


def _config(state: dict[str, Any]) -> GeneratorConfig:
    kwargs, rendering = state["_init_kwargs"], state["rendering_kwargs"]
    mapping = kwargs.get("mapping_kwargs", {})
    kind = str(rendering["superresolution_module"]).rsplit(".", 1)[-1]
    if kind not in _SUPERRESOLUTION:
        raise CheckpointError(f"The super-resolution '{kind}' is not known.", "Use an official FFHQ checkpoint.")
    sr = SuperResolutionConfig(clamp=256.0 if kwargs.get("sr_num_fp16_res", 0) > 0 else None,
                               antialias=bool(rendering.get("sr_antialias", True)), **_SUPERRESOLUTION[kind])
    axes = state["_modules"]["renderer"].state.get("plane_axes")
    extra = {} if axes is None else {"plane_axes": tuple(tuple(tuple(float(v) for v in row) for row in a) for a in axes)}
    clamp = kwargs.get("conv_clamp")
    return GeneratorConfig(
        name="eg3d", z_dim=int(kwargs["z_dim"]), w_dim=int(kwargs["w_dim"]), c_dim=int(kwargs["c_dim"]),
        image_resolution=int(kwargs["img_resolution"]), channel_base=int(kwargs.get("channel_base", 32768)),
        channel_max=int(kwargs.get("channel_max", 512)), mapping_layers=int(mapping.get("num_layers", 8)),
        mapping_features=int(mapping.get("layer_features") or kwargs["w_dim"]), conv_clamp=None if clamp is None else float(clamp),
        decoder_lr_multiplier=float(rendering.get("decoder_lr_mul", 1)), superresolution=sr,
        neural_rendering_resolution=int(state["neural_rendering_resolution"]), ray_start=float(rendering["ray_start"]),
        ray_end=float(rendering["ray_end"]), depth_resolution=int(rendering["depth_resolution"]),
        depth_resolution_importance=int(rendering["depth_resolution_importance"]), box_warp=float(rendering["box_warp"]),
        white_back=bool(rendering.get("white_back", False)), c_scale=float(rendering.get("c_scale", 0)),
        c_gen_conditioning_zero=bool(rendering.get("c_gen_conditioning_zero", False)), **extra)
