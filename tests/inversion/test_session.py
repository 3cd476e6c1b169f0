import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from symgan_core.errors import CheckpointError, PhotoError, RequestError
from symgan_core.generator import Synthesized, TriPlaneGenerator, load_generator, save_generator
from symgan_core.geometry import Camera
from symgan_core.geometry.images import eroded, spread
from symgan_core.inversion import (
    METHODS,
    Event,
    Inversion,
    PhotoRequest,
    Portrait3D,
    invert_crop,
    invert_photo,
    make_target,
    settings,
    to_uint8,
)
from symgan_core.inversion import tuning as tuning_module
from symgan_core.inversion.config import PRESETS
from symgan_core.inversion.labels import MIRRORED
from symgan_core.inversion.parts import PartsShown
from symgan_core.inversion.pivot import State
from symgan_core.inversion.pose import CAMERA_LIMITS, adjusted_camera
from symgan_core.inversion.target import completed
from symgan_core.inversion.tuning import near_enough, to_be_painted, tune_generator
from symgan_core.losses import PerceptualLoss, load_perceptual


def short(method: str = "spi", first: int = 4, second: int = 4, **options: bool):
    config = settings(method, "fast", **options)
    tuning = replace(config.tuning, steps=second if config.tuning.steps else 0, refresh_every=2, learning_rate=5e-3)
    return replace(config, pivot=replace(config.pivot, steps=first), tuning=tuning, draft=False)


def photo_of(generator: TriPlaneGenerator, yaw: float, seed: int = 5) -> tuple[np.ndarray, np.ndarray, torch.Tensor]:
    camera = Camera.orbit(yaw, 0).vector()
    z = torch.randn(1, generator.config.z_dim, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        out = generator.synthesis(generator.mapping(z, camera), camera)
    mask = torch.nn.functional.interpolate(out.image_opacity, out.image.shape[2:])[0, 0].clamp(0, 1)
    return to_uint8(out.image), (mask * 255).byte().numpy(), camera[0]


def start(generator: TriPlaneGenerator, config, yaw: float = 30, seed: int = 0) -> Inversion:
    image, mask, camera = photo_of(generator, yaw)
    return Inversion(make_target(image, camera, mask, generator), generator, config, seed)


def plain_psnr(inversion: Inversion) -> float:
    """At the photo's view, of the head without the photo's detail."""
    metrics = inversion.portrait().report["metrics"]
    return metrics.get("psnr_without_detail", metrics["psnr"])


@pytest.mark.parametrize("method", list(METHODS))
def test_each_method_runs_and_comes_closer(tiny: TriPlaneGenerator, method: str) -> None:
    inversion = start(tiny, short(method, 12, 12))
    before = plain_psnr(inversion)
    events = list(inversion)
    portrait = inversion.portrait()
    assert plain_psnr(inversion) > before + 1
    assert [e.step for e in events if e.stage == "pivot"] == list(range(1, 13))
    assert any(e.stage == "tuning" for e in events) == (method not in ("w", "w_plus"))
    assert (portrait.generator is tiny) == (method in ("w", "w_plus"))
    rows = portrait.ws[0]
    assert (rows == rows[0]).all() == (method in ("w", "pti", "pose_opt"))


def test_spi_uses_every_part_on_a_side_view(tiny: TriPlaneGenerator) -> None:
    names = set().union(*(e.losses for e in start(tiny, short("spi", 3, 14))))
    assert {"mirror", "points", "neighbour", "mirrored", "depth", "opacity", "prior"} <= names


@pytest.mark.parametrize(("method", "parts"), [("spi", {"superresolution"}), ("pti", {"backbone", "decoder", "superresolution"})])
def test_a_method_tunes_its_parts_alone(tiny: TriPlaneGenerator, method: str, parts: set[str]) -> None:
    """What spi leaves alone keeps its colours where no view looks: the decoder above all."""
    inversion = start(tiny, short(method, 2, 3))
    list(inversion)
    before, portrait = tiny.state_dict(), inversion.portrait()
    changed = {k.split(".")[0] for k, v in portrait.generator.state_dict().items() if not torch.equal(v, before[k])}
    assert changed == parts and (portrait.planes_offset is not None) == (method == "spi")


def test_a_photo_file_becomes_a_portrait(astronaut: np.ndarray, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(PRESETS, "fast", (1, 1))
    path = tmp_path / "me.png"
    Image.fromarray(astronaut).save(path)
    portrait = invert_photo(path, preset="fast", request=PhotoRequest(yaw=0.0, pitch=0.0))
    assert portrait.report["preset"] == "fast" and portrait.report["camera_moved"] == {"yaw": 0, "pitch": 0}
    image = portrait.render().image
    assert image.shape == (1, 3, 512, 512) and float(image[..., 200:320, 200:320].mean()) < 0.9
    with pytest.raises(RequestError, match="instant"):
        invert_photo(path, preset="instant")
    with pytest.raises(PhotoError):
        invert_photo(tmp_path / "nobody.png")


def test_the_papers_steps_do_not_depend_on_the_preset() -> None:
    config = settings("spi_paper", "fast")
    assert (config.pivot.steps, config.tuning.steps) == (500, 1000)
    assert settings("pose_opt").pivot.optimize_camera and not settings("pti").pivot.optimize_camera


def test_a_stage_ends_early_by_lpips_alone() -> None:
    pti, name = settings("pti").tuning, "lpips-alex"
    assert near_enough(pti, PerceptualLoss(name, torch.dist), 0.04) and not near_enough(pti, PerceptualLoss(name, torch.dist), 0.06)
    assert not near_enough(pti, PerceptualLoss("gradient", torch.dist), 0.04)
    assert not near_enough(settings("spi").tuning, PerceptualLoss(name, torch.dist), 0.0)


def test_a_stage_stops_where_the_whole_view_is_near_enough(tiny: TriPlaneGenerator, monkeypatch) -> None:
    """A look at some of its pixels is nearer, and only calls for the question."""
    config, asked = short("pti", 1, 12), []
    config = replace(config, tuning=replace(config.tuning, stop_at_lpips=10.0))
    stopped = start(tiny, config)
    list(stopped)
    assert stopped.portrait().report["steps"]["tuning"] == 1
    monkeypatch.setattr(tuning_module, "_whole_distance", lambda *_: asked.append(1) or 11.0)
    whole = start(tiny, config)
    list(whole)
    assert whole.portrait().report["steps"]["tuning"] == 12 and len(asked) == 3  # every fifth step


def test_origins_are_shares_of_all_views(tiny: TriPlaneGenerator) -> None:
    inversion = start(tiny, short("spi", 6, 6), yaw=30)
    list(inversion)
    maps, shares = inversion.origins((-60.0, 30.0, 60.0))
    assert maps.shape == (3, 1, 64, 64) and sum(shares.values()) == pytest.approx(1, abs=1e-3)
    assert inversion.portrait().report["origins"] == shares

    plain = start(tiny, short("pti", 6, 6), yaw=30)
    list(plain)
    assert (plain.origins((-60.0,))[0] != MIRRORED).all()


def test_a_frontal_photo_has_no_mirror(tiny: TriPlaneGenerator) -> None:
    inversion = start(tiny, short(), yaw=3)
    names = set().union(*(e.losses for e in inversion))
    assert not {"mirror", "mirrored"} & names
    report = inversion.portrait().report
    assert report["mirror_weight"] == 0 and report["mirror_rejected_share"] is None


def test_the_same_seed_gives_the_same_latent(tiny: TriPlaneGenerator) -> None:
    latents = []
    for seed in (3, 3, 4):
        inversion = start(tiny, short(first=6, second=2), seed=seed)
        list(inversion)
        latents.append(inversion.portrait().ws)
    assert torch.equal(latents[0], latents[1]) and not torch.equal(latents[0], latents[2])


def test_the_base_generator_is_left_alone(tiny: TriPlaneGenerator) -> None:
    before = {k: v.clone() for k, v in tiny.state_dict().items()}
    inversion = start(tiny, short())
    list(inversion)
    assert all(torch.equal(v, before[k]) for k, v in tiny.state_dict().items())
    assert any(not torch.equal(v, before[k]) for k, v in inversion.portrait().generator.state_dict().items())


def test_stopping_keeps_the_best_so_far(tiny: TriPlaneGenerator) -> None:
    inversion = start(tiny, short(first=3, second=50))
    first = plain_psnr(inversion)
    events = iter(inversion)
    for event in events:
        if event.stage == "tuning" and event.step == 6:
            break
    events.close()
    portrait = inversion.portrait()
    assert portrait.report["steps"] == {"pivot": 3, "tuning": 6}
    assert plain_psnr(inversion) > first
    assert portrait.report["mirror_rejected_share"] is not None
    assert torch.isfinite(portrait.render(yaw=20).image).all()


def test_a_run_stopped_in_its_first_steps_shows_the_photos_face() -> None:
    """The guess is drawn twice, as it is and with the photo on it; who stops soon after has the latter, and going on is not hindered."""
    generator = load_generator("builtin", "cpu")
    inversion = start(generator, short(first=2, second=1), yaw=0)
    events = iter(inversion)
    guess, painted, first = (next(events) for _ in range(3))
    assert [(e.stage, e.step, e.total) for e in (guess, painted, first)] == [("guess", 1, 2), ("guess", 2, 2), ("pivot", 1, 2)]
    side = painted.preview.shape[0]
    assert guess.preview.shape == painted.preview.shape == (side, 3 * side, 3) and first.preview.shape == (side, side, 3)
    turned = [np.abs(e.preview[:, -side:].astype(int) - painted.preview[:, side:-side]).mean() for e in (first, guess)]
    assert turned[0] < 0.7 * turned[1]  # what turns while the code is sought is the painted head, for the code alone would be a step back
    photo = to_uint8(torch.nn.functional.interpolate(inversion.target.image, (side, side), mode="area"))
    away = [np.abs(e.preview[:, side:-side].astype(int) - photo).mean() for e in (guess, painted)]
    assert away[1] < 0.7 * away[0], away
    portrait, state = inversion.portrait(), inversion._state
    assert portrait.planes_offset is not None and state.offset is None and state.generator is generator
    alone, learned = (torch.nn.functional.avg_pool2d(p.render(portrait.camera, detail=False).image, 2)
                      for p in (Portrait3D(generator, portrait.ws, portrait.camera), portrait))
    errors = [float((image - inversion.target.image).abs().mean()) for image in (alone, learned)]
    assert errors[1] < 0.8 * errors[0], errors
    assert inversion.portrait().planes_offset is not None
    assert [e.stage for e in events] == ["pivot", "tuning"]


def test_events_carry_pictures_and_plain_numbers(tiny: TriPlaneGenerator) -> None:
    events: list[Event] = list(start(tiny, short(first=6, second=1)))
    assert events[0].preview.shape == (64, 64, 3) and events[0].preview.dtype == np.uint8
    assert events[1].preview is None and events[5].preview is not None
    assert all(isinstance(v, float) for e in events for v in e.losses.values())


def test_camera_moves_only_if_asked_and_within_limits(tiny: TriPlaneGenerator) -> None:
    fixed, free = start(tiny, short()), start(tiny, short(first=8, optimize_camera=True))
    for inversion in (fixed, free):
        list(inversion)
    assert torch.equal(fixed.portrait().camera, fixed.target.camera)
    moved = free.portrait().report["camera_moved"]
    assert moved["yaw"] != 0 and abs(moved["yaw"]) <= CAMERA_LIMITS[0]
    base = Camera.orbit(20, 10).vector()
    assert torch.allclose(adjusted_camera(base, torch.zeros(6)), base, atol=1e-6)
    far = Camera.from_vector(adjusted_camera(base, torch.tensor([9.0, 0, 0, 0, 0, 0])))
    assert far.yaw_pitch()[0] == pytest.approx(20 + CAMERA_LIMITS[0], abs=0.3)
    up = Camera.from_vector(adjusted_camera(Camera.orbit(0, 10).vector(), torch.tensor([0.0, 9, 0, 0, 0, 0])))
    assert up.yaw_pitch()[1] == pytest.approx(10 + CAMERA_LIMITS[1], abs=0.1)
    level, rolled = (Camera.from_vector(adjusted_camera(base, torch.tensor([0.0, 0, 0, 0, 0, roll]))) for roll in (0.0, 9.0))
    assert rolled.yaw_pitch() == pytest.approx(level.yaw_pitch(), abs=0.1)
    turn = (rolled.cam2world[0, :3, :2] * level.cam2world[0, :3, :2]).sum(0)
    assert turn.tolist() == pytest.approx([math.cos(math.radians(CAMERA_LIMITS[5]))] * 2, abs=1e-3)


def test_what_is_learned_of_the_face_does_not_show_behind_it() -> None:
    generator = load_generator("builtin", "cpu")
    image, mask, camera = photo_of(generator, 0)
    target, changes = make_target(255 - image // 3, camera, mask, generator), {}
    ws = generator.mapping(torch.randn(1, 256, generator=torch.Generator().manual_seed(5)), target.camera)
    for gated in (False, True):
        config = settings("spi", "fast")
        config = replace(config, tuning=replace(config.tuning, steps=4, gated=gated, palette=False, painted=False))
        state = State(generator, ws, target.camera)
        list(tune_generator(state, target, config, load_perceptual("gradient", generator.device), torch.Generator().manual_seed(0), {}))
        planes = generator.planes(ws)
        with torch.no_grad():
            after = state.offset.added_to(planes)
            for yaw in (0.0, 180.0):
                views = [generator.render(p, Camera.orbit(yaw, 0).vector(), 64) for p in (planes, after)]
                inner = eroded(torch.minimum(*(view.opacity for view in views)), 4) > 0.9  # beside the outline the front shows
                changes[gated, yaw] = float(((views[0].features - views[1].features).abs().mean(1, keepdim=True)[inner]).mean())
    assert changes[True, 0.0] > 0.5 * changes[False, 0.0], changes
    assert changes[True, 180.0] < 0.1 * changes[False, 180.0], changes


def test_save_and_load_give_the_same_picture(tiny: TriPlaneGenerator, tmp_path) -> None:
    save_generator(tiny, tmp_path / "tiny.safetensors")
    tiny = load_generator(str(tmp_path / "tiny.safetensors"), "cpu")  # as precise as the one that the portrait finds
    image, mask, camera = photo_of(tiny, 25)
    inversion = Inversion(make_target(image, camera, mask, tiny), tiny, short(), 0, str(tmp_path / "tiny.safetensors"))
    list(inversion)
    portrait = inversion.portrait()
    portrait.save(tmp_path / "out")
    for loaded in (Portrait3D.load(tmp_path / "out", "cpu"), Portrait3D.load(tmp_path / "out", base=tiny)):
        assert (loaded.render(yaw=15).image - portrait.render(yaw=15).image).abs().mean() < 1 / 255
        assert loaded.report == portrait.report and torch.allclose(loaded.backdrop, portrait.backdrop, atol=1e-3)
    names = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert names == ["portrait.safetensors", "report.json"]  # the photo is not among them


def test_a_portrait_of_other_weights_is_refused(tiny: TriPlaneGenerator, tmp_path) -> None:
    """Same shapes, other numbers: the changes would be laid over a stranger."""
    save_generator(tiny, tmp_path / "tiny.safetensors")
    image, mask, camera = photo_of(tiny, 25)
    inversion = Inversion(make_target(image, camera, mask, tiny), tiny, short(first=1, second=1), 0, str(tmp_path / "tiny.safetensors"))
    list(inversion)
    inversion.portrait().save(tmp_path / "out")
    tiny.decoder.net[0].bias += 1
    save_generator(tiny, tmp_path / "tiny.safetensors")
    with pytest.raises(CheckpointError, match="another version"):
        Portrait3D.load(tmp_path / "out", "cpu")
    (tmp_path / "tiny.safetensors").unlink()
    with pytest.raises(CheckpointError, match="does not exist"):
        Portrait3D.load(tmp_path / "out", base=tiny)


def test_damaged_portraits_are_refused(tmp_path) -> None:
    with pytest.raises(CheckpointError, match="no portrait"):
        Portrait3D.load(tmp_path)
    (tmp_path / "portrait.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0not json at all!")
    with pytest.raises(CheckpointError, match="cannot be read"):
        Portrait3D.load(tmp_path)


def test_the_door_checks_its_inputs(tiny: TriPlaneGenerator, frontal: torch.Tensor) -> None:
    crop = np.zeros((64, 64, 3), np.uint8)
    for bad, camera, mask in ((crop[:, :32], frontal, None), (crop.astype(float), frontal, None), (crop, frontal[:24], None),
                              (crop, frontal * float("nan"), None), (crop, frontal, np.zeros((8, 8), np.uint8))):
        with pytest.raises(RequestError):
            invert_crop(bad, camera, mask, generator=tiny)
    with pytest.raises(RequestError, match="no method"):
        invert_crop(crop, frontal, method="magic", generator=tiny)
    with pytest.raises(RequestError, match="no preset"):
        invert_crop(crop, frontal, preset="instant", generator=tiny)


def test_views_out_of_range_are_refused(tiny: TriPlaneGenerator) -> None:
    portrait = start(tiny, short()).portrait()
    for view in ({"yaw": 120}, {"pitch": 60}, {"zoom": 9}, {"yaw": float("nan")}):
        with pytest.raises(RequestError):
            portrait.render(**view)


def test_a_generator_with_its_own_background_keeps_it(tiny: TriPlaneGenerator) -> None:
    generator = TriPlaneGenerator(replace(tiny.config, white_back=False))
    generator.load_state_dict(tiny.state_dict())
    generator.requires_grad_(False)
    image, mask, camera = photo_of(generator, 30)
    target = make_target(image, camera, mask, generator)
    assert (to_uint8(target.image).astype(int) - image).max() <= 1  # nothing is laid over white
    events = list(Inversion(target, generator, short("spi", 3, 4)))
    assert all(e.losses["opacity"] == 0 for e in events) and all(np.isfinite(list(e.losses.values())).all() for e in events)


def test_a_gap_in_hair_teaches_opacity_alone() -> None:
    """Background inside the render is not painted onto what stands behind it; at the outline the photo is what counts."""
    opacity = torch.ones(1, 1, 16, 16)
    opacity[..., 12:] = 0
    out = Synthesized(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 16), opacity, opacity)
    mask = torch.ones(1, 1, 16, 16)
    mask[..., 5, 5] = 0  # a gap
    mask[..., 11:] = 0  # the photo's outline, one pixel inside the render's
    photo = torch.ones(1, 3, 16, 16)
    aim = to_be_painted(out, photo, mask)
    assert (aim[..., 5, 5] == 0).all() and aim.sum() == 3 * 255
    assert to_be_painted(out, photo, None) is photo


def test_along_the_outline_nothing_is_painted() -> None:
    out = Synthesized(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 16), torch.ones(1, 1, 16, 16), torch.zeros(1, 1, 16, 16))
    mask, photo = torch.ones(1, 1, 16, 16), torch.ones(1, 3, 16, 16)
    mask[..., 10:] = 0
    aim = to_be_painted(out, photo, mask, rim=1)[0, 0, 0]
    assert aim.tolist() == [1.0] * 9 + [0.0, 0.0] + [1.0] * 5


def test_what_turns_away_is_not_painted_nor_another_class_there(tiny: TriPlaneGenerator) -> None:
    image, mask, camera = photo_of(tiny, 0)
    nothing, hair = np.zeros((64, 64), np.float32), np.zeros((64, 64), np.float32)
    hair[:32] = 1
    target = make_target(image, camera, np.full_like(mask, 255), tiny, nothing, hair=hair, skin=1 - hair)
    maps, facing = torch.ones(1, 1, 64, 64), torch.ones(1, 1, 64, 64)
    facing[..., :8], facing[..., 8:24] = 0.1, 0.35  # a strip edge-on, one that turns away, and what is seen squarely
    foreign = target.as_a_bust(PartsShown(maps, 0 * maps, 0 * maps, maps, facing)).foreign  # the generator shows skin alone
    assert (foreign[..., :8] == 1).all() and (foreign[..., :32, 8:24] == 1).all()
    assert foreign[..., 34:, 9:].max() == foreign[..., 26:].max() == 0


def test_a_collar_is_not_painted_onto_a_jaw() -> None:
    out = Synthesized(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 16), torch.ones(1, 1, 16, 16), torch.ones(1, 1, 16, 16))
    photo, mask, foreign = torch.ones(1, 3, 16, 16), torch.ones(1, 1, 16, 16), torch.zeros(1, 1, 16, 16)
    foreign[..., 3, 4] = 1
    aim = to_be_painted(out, photo, mask, foreign=foreign)
    assert (aim[..., 3, 4] == 0).all() and aim.sum() == 3 * 255


def test_beyond_the_photo_the_render_is_the_aim(tiny: TriPlaneGenerator) -> None:
    image, mask, camera = photo_of(tiny, 0)
    inside = np.ones((32, 32), bool)
    inside[:8] = False
    target = make_target(image, camera, np.full_like(mask, 255), tiny, inside=inside)
    edge = target.image.shape[-1] // 4
    assert target.mask[..., :edge, :].max() == 0 and target.mask[..., edge:, :].min() == 1
    assert torch.equal(target.image, make_target(image, camera, np.full_like(mask, 255), tiny).image)  # there to be read
    assert make_target(image, camera, mask, tiny, inside=np.ones((32, 32), bool)).beyond is None
    drawn, opacity = torch.zeros_like(target.image, requires_grad=True), torch.full((1, 1, 16, 16), 0.5, requires_grad=True)
    aim, solid = completed(target.image, target.mask, drawn, opacity, target.beyond)
    assert (aim[..., :edge, :] == 0).all() and torch.equal(aim[..., edge:, :], target.image[..., edge:, :]) and not aim.requires_grad
    assert (solid[..., :edge, :] == 0.5).all() and (solid[..., edge:, :] == 1).all() and not solid.requires_grad
    assert torch.equal(target.mirrored().beyond, target.beyond.flip(3))


def test_a_head_that_ends_within_the_photo_does_not_go_on_beyond_it(tiny: TriPlaneGenerator) -> None:
    image, mask, camera = photo_of(tiny, 0)
    inside = np.ones(mask.shape, bool)
    inside[:16] = False
    left = np.zeros_like(mask)
    left[:, :32] = 255  # only there does the head reach the border
    target = make_target(image, camera, left, tiny, inside=inside)
    assert target.beyond[..., :16, :30].min() == 1 and target.beyond[..., 34:].max() == target.beyond[..., 17:, :].max() == 0
    assert (target.image[..., :16, 34:] == 1).all() and target.outside == pytest.approx(0.25)
    hair = np.ones((32, 32), np.float32)
    assert make_target(image, camera, left, tiny, inside=inside, hair=hair).beyond[..., :15, :].min() == 1  # whatever the mask says


@pytest.mark.parametrize("method", ["spi", "pti"])
def test_what_lies_beyond_the_photo_is_not_learned(tiny: TriPlaneGenerator, method: str) -> None:
    """Whatever stands there, the head is the same, but for a trace where pictures are scaled."""
    image, mask, camera = photo_of(tiny, 15)
    inside, other = np.ones(mask.shape, bool), image.copy()
    inside[:, -12:] = False
    other[:, -12:] = 255 - other[:, -12:]

    def apart(known: np.ndarray | None) -> float:
        heads = [Inversion(make_target(picture, camera, mask, tiny, inside=known), tiny, short(method, 4, 4)).finish().render(yaw=0).image
                 for picture in (image, other)]
        return float((heads[0] - heads[1]).abs().mean())

    assert apart(inside) < 1e-3 < 0.2 * apart(None)


def test_a_body_beyond_the_generators_reach_is_left_out(tiny: TriPlaneGenerator) -> None:
    image, mask, camera = photo_of(tiny, 0)
    worn = np.zeros((32, 32), np.float32)
    worn[16:] = 1  # the lower half is worn
    target = make_target(image, camera, np.full_like(mask, 255), tiny, worn)
    opacity, body = torch.zeros(1, 1, 16, 16), torch.zeros(1, 1, 64, 64)
    opacity[..., :8] = 1  # the generator shows the left half
    body[..., 48:, :] = 1  # the lowest quarter is its body
    parts = PartsShown(opacity, torch.zeros_like(body), body, torch.zeros_like(body), torch.ones_like(opacity))
    bust = target.as_a_bust(parts)
    assert (bust.mask[..., :30, :36] == 1).all() and (bust.mask[..., 34:, :30] == 1).all() and (bust.mask[..., 50:, :30] == 1).all()
    assert (bust.mask[..., :30, 36:] == 0).all() and (bust.picture[:, 3:, :230] == 1).all()  # far from the head: as detail alone
    assert (bust.mask[..., 34:, 40:] == 0).all() and (bust.mask[..., 36:42, 32:] == 0).all()  # beside a body; beside a jaw
    assert torch.allclose(bust.mask[..., 36:42, 31], torch.tensor(1 / 3))  # its margin, softened
    assert (bust.mask[..., 50:, 34:] == 0).all() and (bust.mask[..., 50:, 32] > 0).all()  # a body reaches little beyond the generator's
    assert (bust.image[..., 34:, 40:] == 1).all() and torch.equal(bust.image[..., :30, :], target.image[..., :30, :])
    assert (bust.foreign[..., 31, :30] == 1).all()  # in its shade
    assert (bust.foreign[..., 34:46, :30] == 1).all() and bust.foreign[..., :30, :].sum() == bust.foreign[..., 50:, :].sum() == 0
    assert bust.foreign[..., 34:].sum() == 0 and torch.equal(bust.told, bust.mask * (1 - bust.foreign)) and target.told is target.mask
    plain = make_target(image, camera, mask, tiny)
    assert plain.as_a_bust(parts) is plain
    assert torch.allclose(bust.mirrored().body, target.body.flip(3)) and torch.equal(bust.mirrored().foreign, bust.foreign.flip(3))


def test_what_hangs_beside_a_neck_without_hair_is_left_out(tiny: TriPlaneGenerator) -> None:
    image, mask, camera = photo_of(tiny, 0)
    hanging = np.zeros((32, 32), np.float32)
    hanging[16:, :8], hanging[16:, 20:] = 1, 1  # on both sides of the lower half
    target = make_target(image, camera, np.full_like(mask, 255), tiny, loose=hanging)
    opacity, hair = torch.zeros(1, 1, 16, 16), torch.zeros(1, 1, 64, 64)
    opacity[..., :12] = 1  # the generator leaves the right quarter empty
    hair[..., 44:48] = 1  # and has hair down to there, but for the lowest quarter
    hair[..., 48:, :] = 0
    told = target.without_strays(PartsShown(opacity, hair, *[torch.zeros_like(hair)] * 3))
    assert (told.mask[..., :31, :] == 1).all() and (told.mask[..., :46] == 1).all()  # above, and before the head
    assert (told.mask[..., 34:46, 49:52] == 1).all() and (told.mask[..., 34:, 56:] == 0).all()  # near hair, and far from it
    assert (told.mask[..., 58:, 50:] == 0).all()  # and where there is none so low
    assert (told.image[..., 34:, 56:] == 1).all() and torch.equal(told.image[..., :46], target.image[..., :46])
    assert torch.equal(told.mirrored().loose, target.loose.flip(3))
    plain = make_target(image, camera, mask, tiny)
    assert plain.without_strays(PartsShown(opacity, *[hair] * 4)) is plain


def test_the_backdrop_is_the_photos_without_the_head(tiny: TriPlaneGenerator, frontal: torch.Tensor) -> None:
    crop = np.full((64, 64, 3), (200, 20, 20), np.uint8)
    crop[:, 32:] = (20, 20, 200)
    mask = np.zeros((64, 64), np.uint8)
    crop[16:, 16:48], mask[16:, 16:48] = (0, 255, 0), 255
    backdrop = make_target(crop, frontal, mask, tiny).backdrop
    assert backdrop.shape == (1, 3, 16, 16) and backdrop[0, 1].max() < -0.7  # nothing green
    assert (backdrop[0, 0, :, :3] > 0.5).all() and (backdrop[0, 2, :, -3:] > 0.5).all()
    assert make_target(crop, frontal, None, tiny).backdrop is None


def test_depth_spreads_from_what_is_known() -> None:
    depth, known = torch.full((1, 1, 16, 16), 9.0), torch.zeros(1, 1, 16, 16, dtype=torch.bool)
    depth[..., :4], known[..., :4] = 2.5, True
    assert torch.allclose(spread(depth, known), torch.full((1, 1, 16, 16), 2.5))
