import json
import re
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from symgan_core.errors import RequestError
from symgan_core.evaluation import ablation_variants, evaluate, methods_at, picture_metrics
from symgan_core.evaluation.benchmark import read_multiview
from symgan_core.evaluation.metrics import shading_error
from symgan_core.generator import TriPlaneGenerator
from symgan_core.geometry import Camera
from symgan_core.inversion import Inversion, Method, make_target, settings, to_uint8
from symgan_core.inversion.method import PRESETS

SIZE = 64


def write_set(generator: TriPlaneGenerator, path, people: int = 2) -> None:
    """A multi-view file of a generator's own people: the truth is then within its reach."""
    rng = torch.Generator().manual_seed(3)
    cameras = Camera.orbit(torch.tensor([-40.0, 0.0, 30.0]), 0.0).vector()
    images, masks, depths = [], [], []
    for _ in range(people):
        z = torch.randn(1, generator.config.z_dim, generator=rng)
        ws = generator.mapping(z, cameras[:1])
        for camera in cameras.split(1):
            out = generator.synthesis(ws, camera)
            images.append(to_uint8(F.interpolate(out.image, (SIZE, SIZE), mode="bilinear")))
            opacity = F.interpolate(out.image_opacity, (SIZE, SIZE), mode="bilinear")[0, 0]
            masks.append((opacity.clamp(0, 1) * 255).byte().numpy())
            depths.append(np.where(out.image_opacity[0, 0] > 0.5, out.image_depth[0, 0] - 2.7, np.nan).astype(np.float16))
    shape = (people, 3)
    np.savez(path, images=np.stack(images).reshape(*shape, SIZE, SIZE, 3), masks=np.stack(masks).reshape(*shape, SIZE, SIZE),
             depths=np.stack(depths).reshape(*shape, *depths[0].shape), depth_offset=np.float32(2.7),
             cameras=cameras.expand(people, -1, -1).numpy(), input_view=np.full(people, 1),
             names=np.array([f"p{i}" for i in range(people)]))


def test_evaluate_scores_every_part(tiny: TriPlaneGenerator, tmp_path) -> None:
    write_set(tiny, tmp_path / "set.npz")
    seen: list[tuple[str, str, int, int]] = []
    result = evaluate(tmp_path / "set.npz", methods_at("fast", "w", "w_plus"), tiny, limit=1, out=tmp_path / "o.json",
                      progress=lambda *a: seen.append(a))
    assert json.loads((tmp_path / "o.json").read_text()) == result
    assert seen == [("w", "p0", 0, 2), ("w_plus", "p0", 1, 2)]
    for method in ("w", "w_plus"):
        one = result["methods"][method]["each"]["p0"]
        assert result["lpips_network"] == "alex" and 0 < one["input"]["lpips"] < 1 and one["novel"]["lpips"] > 0
        assert one["seconds"] > 0 and one["renders"] >= settings(method, "fast").pivot.steps
        for part in ("input", "novel", "hidden"):
            assert {"psnr", "ssim", "ms_ssim", "haarpsi", "gmsd", "lpips", "depth_l1", "id"} <= one[part].keys()
        assert one["hidden"]["shading"] > 0
        assert one["input"]["psnr"] > 15 and 0 <= one["novel"]["depth_l1"] < 0.3
        assert result["methods"][method]["mean"]["input"] == {k: pytest.approx(v, abs=1e-4) if v is not None else None
                                                            for k, v in one["input"].items()}
    with pytest.raises(RequestError, match="no method"):
        methods_at("fast", "x")


@pytest.mark.slow
def test_a_cut_run_goes_on_and_a_changed_one_begins_anew(tiny: TriPlaneGenerator, tmp_path) -> None:
    write_set(tiny, tmp_path / "set.npz")
    out, runs = tmp_path / "o.json", []

    def run(**options) -> dict:
        runs.clear()
        return evaluate(tmp_path / "set.npz", methods_at("fast", "w"), tiny, out=out, progress=lambda *a: runs.append(a), **options)

    first = run(limit=1)
    second = run()
    assert runs == [("w", "p1", 1, 2)] and second["methods"]["w"]["each"]["p0"] == first["methods"]["w"]["each"]["p0"]
    run(seeds=[1], limit=1)
    assert runs == [("w", "p0", 0, 1)]
    out.write_text("{cut")
    run(limit=1)
    assert runs == [("w", "p0", 0, 1)]
    with Image.open(tmp_path / "o-sheet.jpg") as sheet:
        assert sheet.size == (6 * 160, 2 * 160)  # one person: the truth and a method, five views and the depth
        assert np.asarray(sheet)[:, :800].std() > 20


def test_photos_without_truth_are_scored_by_the_photo_and_by_their_turned_views(tiny: TriPlaneGenerator, astronaut, tmp_path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    with pytest.raises(RequestError):
        evaluate(folder, methods_at("fast", "w"), tiny)
    Image.fromarray(astronaut).save(folder / "astronaut.png")
    result = evaluate(folder, methods_at("fast", "w"), tiny, out=tmp_path / "photos.json")
    found = json.loads((tmp_path / "photos.json").read_text())["methods"]["w"]["each"]["astronaut"]
    assert found == result["methods"]["w"]["each"]["astronaut"] and {"input", "turned", "seconds", "renders"} == found.keys()
    # What a view shows of the same volume agrees with it far better than a mean face with a photo.
    assert found["turned"]["psnr"] > found["input"]["psnr"] + 3 and found["renders"] == 36
    assert (tmp_path / "photos-sheet.jpg").is_file()


def test_metrics_of_equal_and_of_different_pictures() -> None:
    a = torch.rand(1, 3, 192, 192, generator=torch.Generator().manual_seed(0)) * 2 - 1
    same, other = picture_metrics(a, a), picture_metrics(a, -a)
    assert same["psnr"] > 90 and same["ssim"] == pytest.approx(1) and same["haarpsi"] == pytest.approx(1, abs=1e-3)
    assert other["psnr"] < 12 and other["ssim"] < 0.2 and other["gmsd"] >= same["gmsd"]
    assert same.keys() == {"psnr", "ssim", "ms_ssim", "haarpsi", "gmsd", "lpips", "id"}


def test_a_truth_of_another_size_is_brought_to_the_pictures() -> None:
    large = F.interpolate(torch.rand(1, 3, 9, 9, generator=torch.Generator().manual_seed(0)) * 2 - 1, (384, 384), mode="bilinear")
    truth, mask = F.interpolate(large, (192, 192), mode="bilinear", antialias=True), torch.ones(1, 1, 192, 192)
    assert picture_metrics(large, truth)["psnr"] > 35 and picture_metrics(truth, large, mask)["lpips"] < 0.01


def test_a_mask_limits_what_counts() -> None:
    a = torch.zeros(1, 3, 192, 192)
    b = a.clone()
    b[..., :96] = 0.2
    mask = torch.zeros(1, 1, 192, 192)
    mask[..., 96:] = 1
    assert picture_metrics(b, a, mask)["psnr"] > 90
    assert picture_metrics(b, a, 1 - mask)["psnr"] == pytest.approx(20, abs=0.01)  # 0.1 of the range
    assert picture_metrics(b, a, mask * 0)["psnr"] is None


def test_shading_is_judged_without_texture() -> None:
    rng = torch.Generator().manual_seed(0)
    truth = torch.rand(1, 3, 64, 64, generator=rng) * 0.4 - 0.2
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 8:56, 8:40] = 1
    other = truth.flip(-2)  # as light, but of another texture
    darker = (truth + 1) * 0.7 - 1
    assert shading_error(truth, truth, mask) == 0 and shading_error(truth, truth, mask * 0) is None
    assert shading_error(other, truth, mask) < 0.1
    assert shading_error(darker, truth, mask) == pytest.approx(-np.log(0.7), abs=1e-3)
    assert shading_error(torch.lerp(darker, truth, mask), truth, mask) == 0


def test_only_the_files_that_are_multiview_are_read(tmp_path) -> None:
    np.savez(tmp_path / "a.npz", images=np.zeros(3))
    (tmp_path / "b.npz").write_text("no")
    for name in ("a.npz", "b.npz", "none.npz"):
        with pytest.raises(RequestError, match="multi-view"):
            read_multiview(tmp_path / name)


def test_seeds_give_means_and_their_spread_and_each_is_run_once(tiny: TriPlaneGenerator, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(PRESETS, "fast", (3, 1))
    write_set(tiny, tmp_path / "set.npz")
    out, runs = tmp_path / "o.json", []

    def run(*seeds: int) -> dict:
        runs.clear()
        result = evaluate(tmp_path / "set.npz", methods_at("fast", "w"), tiny, out=out, seeds=seeds, progress=lambda *a: runs.append(a[1:]))
        assert json.loads(out.read_text()) == result
        return result["methods"]["w"]

    one = run(0)
    both = run(0, 1)
    assert runs == [("p0", 2, 4), ("p1", 3, 4)]  # seed 0 is known
    means = [both["seeds"][seed]["mean"]["novel"]["psnr"] for seed in "01"]
    assert means[0] == one["mean"]["novel"]["psnr"] != means[1] and both["seeds"]["0"]["each"] == one["each"]
    assert both["mean"]["novel"]["psnr"] == pytest.approx(np.mean(means), abs=1e-4)
    assert both["spread"]["novel"]["psnr"] == pytest.approx(np.std(means, ddof=1), abs=1e-4)
    assert both["spread"]["novel"]["ms_ssim"] is None  # too small a picture
    each = [both["seeds"][seed]["each"]["p1"]["hidden"]["gmsd"] for seed in "01"]
    assert both["each"]["p1"]["hidden"]["gmsd"] == pytest.approx(np.mean(each), abs=1e-4)
    again = run(1, 0)
    assert runs == [] and again["mean"] == both["mean"]
    with pytest.raises(RequestError, match="seed"):
        run(1, 1)


def test_settings_of_ones_own_are_methods_too_and_changed_ones_are_run_anew(tiny: TriPlaneGenerator, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(PRESETS, "fast", (2, 1))
    write_set(tiny, tmp_path / "set.npz", people=1)
    out, base = tmp_path / "o.json", settings("w", "fast")

    def run(**variants) -> dict:
        runs: list[str] = []
        result = evaluate(tmp_path / "set.npz", variants, tiny, out=out, progress=lambda *a: runs.append(a[0]))
        assert result["preset"] == "fast" and result["methods"].keys() == variants.keys()
        return {"runs": runs, "perceptual": [found["perceptual"] for found in result["methods"].values()]}

    other = replace(base, perceptual="gradient")
    assert run(plain=base, other=other) == {"runs": ["plain", "other"], "perceptual": ["lpips-alex", "gradient"]}
    assert run(plain=base, other=replace(other, pivot=replace(other.pivot, learning_rate=0.01)))["runs"] == ["other"]
    with pytest.raises(RequestError, match="cannot name"):
        evaluate(tmp_path / "set.npz", {"../w": base}, tiny)


LEFT_OUT = {f"without-{part}" for part in (
    "pivot.pose_fit", "pivot.keep_haircut", "pivot.empty_space", "pivot.mirrored_view", "pivot.landmarks", "pivot.latent_prior",
    "tuning.clip_torso", "tuning.palette", "tuning.optimize_planes", "tuning.paint_photo", "tuning.neighbours",
    "tuning.mirrored_neighbours", "tuning.depth_prior", "tuning.offset_smoothness")}


def words(method: Method) -> set[str]:
    """Names of the classes that a method is made of, but for those that are switched on and off."""
    return set(re.findall(r"(\w+)\(", repr(method))) - {"SurfaceGate", "MirrorWarp"}


@pytest.mark.slow
def test_an_ablation_turns_each_part_off_in_turn(tiny: TriPlaneGenerator, monkeypatch) -> None:
    monkeypatch.setitem(PRESETS, "fast", (1, 1))
    variants = ablation_variants("fast")
    spi = settings("spi", "fast")
    assert variants["spi"] == spi and len(variants) == 1 + 1 + 4 + 8 + 12
    for name, method in variants.items():
        changed = {field.name for field in fields(spi) if getattr(method, field.name) != getattr(spi, field.name)}
        assert changed == ({re.match(r"without-(\w+)", name)[1]} if name != "spi" else set())
        dropped = words(spi) - words(method)
        assert words(method) < words(spi) or not dropped, name
        assert len(dropped) == (1 if name in LEFT_OUT else 3 if name == "without-tuning.pseudo_views" else 0), (name, dropped)
    assert variants["without-tuning.optimize_planes.gate"].tuning.prepare[1].gate is None
    assert variants["without-detail"] == replace(spi, detail=False)
    assert set(ablation_variants("fast", "w")) == {"w", "without-pivot.latent_prior"}  # what it does not have cannot be left out
    camera = Camera.orbit(30.0).vector()
    out = tiny.synthesis(tiny.mapping(torch.randn(1, 16, generator=torch.Generator().manual_seed(1)), camera), camera)
    mask = F.interpolate(out.image_opacity, (SIZE, SIZE))[0, 0].clamp(0, 1).mul(255).byte().numpy()
    for part in ("tuning.clip_torso", "tuning.paint_photo", "tuning.palette", "warp.mirror", "tuning.optimize_planes",
                 "tuning.optimize_planes.gate", "pivot.keep_haircut"):  # what others build on: they do without
        config = variants[f"without-{part}"]
        portrait = Inversion(make_target(to_uint8(out.image), camera[0], mask, tiny), tiny, config).finish()
        assert portrait.report["steps"] == {"pivot": 1, "tuning": 1} and portrait.report["metrics"]["lpips"] > 0
