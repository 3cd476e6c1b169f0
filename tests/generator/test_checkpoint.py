import collections
import io
import json
import os
import pickle
import struct
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from symgan_core.errors import CheckpointError, RequestError
from symgan_core.generator import BUILTIN, TriPlaneGenerator, load_generator, save_generator
from symgan_core.generator.checkpoint import BUILTIN_FILE, resolve_device
from symgan_core.generator.official import convert, read_official
from symgan_core.weights import file_hash

OFFICIAL = Path(__file__).parents[3] / "shared" / "fixtures" / "eg3d" / "tiny_official_layout.pkl"


def test_builtin_weights_ship_whole_and_small() -> None:
    generator = load_generator("builtin", "cpu")
    assert generator.config == BUILTIN
    assert BUILTIN_FILE.stat().st_size < 25 * 2**20
    assert file_hash(BUILTIN_FILE) == BUILTIN_FILE.with_suffix(".sha256").read_text().split()[0]
    assert not generator.training and not any(p.requires_grad for p in generator.parameters())


def test_damaged_builtin_weights_are_noticed(tmp_path, monkeypatch) -> None:
    data = bytearray(BUILTIN_FILE.read_bytes())
    data[-100] ^= 1
    copy = tmp_path / "builtin.safetensors"
    copy.write_bytes(data)
    copy.with_suffix(".sha256").write_text(BUILTIN_FILE.with_suffix(".sha256").read_text())
    monkeypatch.setattr("symgan_core.generator.checkpoint.BUILTIN_FILE", copy)
    with pytest.raises(CheckpointError, match="damaged"):
        load_generator("builtin", "cpu")


def test_round_trip(tiny: TriPlaneGenerator, tmp_path, frontal) -> None:
    save_generator(tiny, tmp_path / "g.safetensors")
    again = load_generator(tmp_path / "g.safetensors", "cpu")
    z = torch.ones(1, 16)
    views = [g.synthesis(g.mapping(z, frontal[None]), frontal[None]).image for g in (tiny, again)]
    assert torch.equal(*views)
    assert [p.name for p in tmp_path.iterdir()] == ["g.safetensors"]


def test_refusals(tiny: TriPlaneGenerator, tmp_path) -> None:
    other = tmp_path / "other.safetensors"
    save_file({"a": torch.zeros(2)}, str(other))
    cut = tmp_path / "cut.safetensors"
    save_generator(tiny, cut)
    cut.write_bytes(cut.read_bytes()[:-500])
    nan = tmp_path / "nan.safetensors"
    broken = TriPlaneGenerator(tiny.config)
    broken.decoder.net[0].weight.data[0, 0] = float("nan")
    save_generator(broken, nan)
    lying = tmp_path / "lying.safetensors"
    config = tiny.config.to_dict() | {"w_dim": 25}
    save_file(tiny.state_dict(), str(lying), metadata={"format": "symgan-generator-1", "config": json.dumps(config)})
    pt = tmp_path / "weights.pt"
    pt.touch()
    for path, words in ((other, "not a symgan"), (cut, "cannot be read"), (nan, "finite"), (lying, "does not fit"),
                        (pt, "not a .safetensors"), (tmp_path / "none.safetensors", "does not exist")):
        with pytest.raises(CheckpointError, match=words):
            load_generator(path, "cpu")


def test_cuda_is_refused_where_there_is_none() -> None:
    assert resolve_device("cpu").type == "cpu"
    if not torch.cuda.is_available():
        with pytest.raises(RequestError, match="CUDA"):
            resolve_device("cuda")


class Attack:
    """Pickles as a call."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def torch_stream(payload: object) -> bytes:
    """A legacy torch stream, as storages are kept in the official file, with something else inside."""
    buffer = io.BytesIO()
    torch.save(payload, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", [
    "system", "open", "eval", "nested", "storage", "nested storage", "method", "build", "import", "second", "memo"])
def test_hostile_pickles_run_nothing(kind: str, tmp_path) -> None:
    marker = tmp_path / "marker"
    attacks = {
        "system": Attack(os.system, f"touch {marker}"),
        "open": Attack(open, str(marker), "w"),
        "eval": Attack(eval, f"open({str(marker)!r}, 'w')"),
        "nested": {"training_set_kwargs": {}, "G_ema": [{"state": Attack(os.system, f"touch {marker}")}]},
        "storage": Attack(torch.storage._load_from_bytes, pickle.dumps(Attack(os.system, f"touch {marker}"))),
        "nested storage": {"G": Attack(torch._utils._rebuild_parameter, Attack(
            torch.storage._load_from_bytes, torch_stream(Attack(os.system, f"touch {marker}"))), False, None)},
        "method": Attack(getattr, Path(str(marker)), "touch"),
        "build": Attack(collections.OrderedDict, [("a", Attack(os.system, f"touch {marker}"))]),
        "import": Attack(__import__, "os"),
        "second": Attack(exec, f"open({str(marker)!r}, 'w')"),
        "memo": [shared := Attack(os.mkdir, str(marker)), shared],
    }
    path = tmp_path / "evil.pkl"
    data = pickle.dumps({"G_ema": attacks[kind]}, protocol=4)
    if kind == "second":  # a harmless pickle first: whoever reads on runs the second
        data = pickle.dumps({}, protocol=4) + data
    path.write_bytes(data)
    with pytest.raises(CheckpointError) as error:
        convert(path, tmp_path / "out.safetensors")
    assert "\n" not in str(error.value)
    assert not marker.exists() and not (tmp_path / "out.safetensors").exists()


def test_other_files_are_refused(tmp_path) -> None:
    for name, data in (("text.pkl", b"hello"), ("empty.pkl", b""), ("dict.pkl", pickle.dumps({"a": 1})),
                       ("zip.pkl", struct.pack("<I", 0x04034B50))):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(CheckpointError):
            read_official(tmp_path / name)
    with pytest.raises(CheckpointError, match="no file"):
        read_official(tmp_path / "none.pkl")


class Module:
    """Pickles as a module of the official network with these children."""

    def __init__(self, children: dict[str, object], numbers: object = None):
        self.state = {"_modules": children, "_parameters": {} if numbers is None else {"weight": numbers}}

    def __reduce__(self):
        return _rebuilt, ({"class_name": "x", "state": self.state},)


def _rebuilt(meta: dict) -> None:
    """Stands for the official function, whose name is written into the pickle in place of this one's."""


def pickled(content: object) -> bytes:
    ours = pickle.dumps(content, protocol=2)
    return ours.replace(f"c{__name__}\n_rebuilt\n".encode(), b"ctorch_utils.persistence\n_reconstruct_persistent_obj\n")


def test_pickles_that_would_swell_are_refused(tmp_path) -> None:
    chain: object = Module({})
    for _ in range(60):  # each holds the next one twice: 2^60 names
        chain = Module({"a": chain, "b": chain})
    circle: dict[str, object] = {}
    circle["again"] = Module(circle)
    repeated = Module({}, Attack(torch._utils._rebuild_tensor_v2, Attack(torch.storage._load_from_bytes, torch_stream(
        torch.zeros(4).untyped_storage())), 0, (10**6, 10**6), (0, 0), False, collections.OrderedDict()))
    for name, content in (("chain", chain), ("circle", circle["again"]), ("repeated", repeated)):
        (tmp_path / f"{name}.pkl").write_bytes(pickled({"G_ema": content}))
        with pytest.raises(CheckpointError):
            read_official(tmp_path / f"{name}.pkl")
    torch.save(official_state(), tmp_path / "plain.pt")
    with zipfile.ZipFile(tmp_path / "plain.pt") as plain, zipfile.ZipFile(tmp_path / "packed.pt", "w", zipfile.ZIP_DEFLATED) as packed:
        for one in plain.namelist():
            packed.writestr(one, plain.read(one) + bytes(2**24 if one.endswith("/data/0") else 0))
    with pytest.raises(CheckpointError, match="not a state dict"):
        convert(tmp_path / "packed.pt", tmp_path / "out.safetensors")


@pytest.mark.parametrize("change", [
    {"channel_base": 2**40}, {"plane_channels": 10**6}, {"plane_resolution": 2**19}, {"z_dim": -1}, {"z_dim": 16.5}, {"z_dim": True},
    {"w_dim": "24"}, {"ray_start": float("nan")}, {"plane_axes": []}, {"plane_axes": "x" * 99}, {"mapping_layers": 10**6}, {"name": 5},
    {"superresolution": 5}, {"superresolution": {"channels": [10**9, 1]}}, {"unknown": 1}, {"plane_warp": [0] * 99}], ids=str)
def test_configurations_that_ask_for_too_much_are_refused_before_memory_is_taken(tiny, change: dict, tmp_path) -> None:
    path = tmp_path / "other.safetensors"
    meta = {"format": "symgan-generator-1", "config": json.dumps(tiny.config.to_dict() | change)}
    save_file(tiny.state_dict(), str(path), meta)
    with pytest.raises(CheckpointError) as error:
        load_generator(path, "cpu")
    assert "\n" not in str(error.value) and error.value.help


def official_state() -> dict[str, torch.Tensor]:
    from tests.generator.test_golden import small_state

    return small_state()


def test_a_plain_state_dict_converts(tmp_path) -> None:
    from tests.generator.test_golden import SMALL

    for number, content in enumerate((official_state(), {"G_ema": official_state()})):
        torch.save(content, tmp_path / f"{number}.pt")
        config = convert(tmp_path / f"{number}.pt", tmp_path / "out.safetensors")
        assert replace(config, name="small", channel_base=SMALL.channel_base) == SMALL  # a cap hides the base
        loaded = load_generator(tmp_path / "out.safetensors", "cpu").state_dict()
        assert all(torch.equal(loaded[k], v) for k, v in official_state().items())


def test_state_dicts_of_other_kinds_are_refused(tmp_path) -> None:
    broken, cut, renamed = official_state(), official_state(), official_state()
    broken["decoder.net.0.bias"][3] = float("nan")
    del cut["backbone.synthesis.b64.conv0.weight"]
    renamed["decoder.net.1.bias"] = renamed.pop("decoder.net.0.bias")
    marker = tmp_path / "marker"
    hostile = {"decoder": Attack(os.system, f"touch {marker}")}
    for name, content in (("broken", broken), ("cut", cut), ("renamed", renamed), ("hostile", hostile), ("list", [1, 2]),
                          ("other", {"a": torch.zeros(3)}),
                          ("endless", official_state() | {"backbone.synthesis.b1048576.torgb.bias": torch.zeros(96)}),
                          ("swollen", official_state() | {"decoder.net.0.bias": torch.zeros(1).expand(10**15)})):
        torch.save(content, tmp_path / f"{name}.pth")
        with pytest.raises(CheckpointError):
            convert(tmp_path / f"{name}.pth", tmp_path / "out.safetensors")
    (tmp_path / "cut.pt").write_bytes((tmp_path / "broken.pth").read_bytes()[:5000])
    with pytest.raises(CheckpointError):
        convert(tmp_path / "cut.pt", tmp_path / "out.safetensors")
    assert not marker.exists() and not list(tmp_path.glob("out*"))


@pytest.mark.skipif(not OFFICIAL.is_file(), reason="the fixture in the official layout is not at hand")
def test_the_official_layout_converts_and_gives_the_golden_picture(tmp_path) -> None:
    import numpy as np

    convert(OFFICIAL, tmp_path / "small.safetensors")
    generator = load_generator(tmp_path / "small.safetensors", "cpu")
    golden = {k: torch.from_numpy(np.atleast_1d(v)) for k, v in np.load(Path(__file__).parents[1] / "data" / "small_golden.npz").items()}
    ws = generator.mapping(golden["z"][:1], golden["c_cond"], 0.7)
    image = generator.synthesis(ws, golden["c"][:1]).image
    assert (image[0, :, ::4, ::4] - golden["image_sub4_00"]).abs().max() < 5e-4
