import numpy as np
import pytest
import torch

from symgan_core.generator import BUILTIN
from symgan_core.generator.encoder import INPUT, Encoder
from symgan_core.weights import read_shipped
from training.encoder import Pictures, distort, train_encoder


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    from training.pool import Pool

    pool = Pool.open(tmp_path_factory.mktemp("pool"), 4)
    pool.fill(seed=3, start=0, step=1, count=4)
    return pool


def test_pictures_keep_people_back(pool) -> None:
    pictures = Pictures(pool, BUILTIN.w_dim)
    assert not set(pictures.train[:, 0]) & set(pictures.test[:, 0])
    x, traits, angles = pictures.draw(6)
    assert x.shape == (6, 3, INPUT, INPUT) and x.abs().max() <= 1
    assert traits.shape == (6, BUILTIN.w_dim) and angles[:, 0].abs().max() < 70


def test_distortion_moves_and_tones_but_keeps_the_picture(pool) -> None:
    torch.manual_seed(0)
    rgb, alpha, *_ = Pictures(pool, BUILTIN.w_dim).load(np.array([[1, 0]] * 8))
    out = distort(rgb, alpha)
    assert (out - rgb).abs().mean((1, 2, 3)).min() > 0.005
    pairs = [torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1] for a, b in zip(out, rgb, strict=True)]
    assert min(pairs) > 0.6 and max(pairs) < 0.9999


def test_the_encoder_learns(pool, tmp_path) -> None:
    encoder = train_encoder(pool, minutes=0.15, batch=8, out=tmp_path / "encoder.safetensors")
    pictures = Pictures(pool, BUILTIN.w_dim)
    rgb, _, traits, _ = pictures.load(pictures.train)
    guess = encoder(rgb).w - 4
    spread = (traits - traits.mean(0)).square().mean()
    assert (guess - traits).square().mean() < 0.8 * spread
    again = Encoder()
    again.load_state_dict(read_shipped(tmp_path / "encoder.safetensors"))
    assert torch.allclose(again.eval()(rgb[:1]).w, encoder(rgb[:1]).w, atol=0.05)
