import torch

from symgan_core.geometry.images import spread


def test_depth_spreads_from_what_is_known() -> None:
    depth, known = torch.full((1, 1, 16, 16), 9.0), torch.zeros(1, 1, 16, 16, dtype=torch.bool)
    depth[..., :4], known[..., :4] = 2.5, True
    assert torch.allclose(spread(depth, known), torch.full((1, 1, 16, 16), 2.5))
