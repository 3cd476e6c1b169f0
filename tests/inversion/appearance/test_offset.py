import torch

from symgan_core.inversion.appearance.offset import PlanesOffset


def test_each_part_is_learned() -> None:
    planes = torch.randn(1, 3, 2, 16, 16)
    offset = PlanesOffset(planes, (1, 2, 4))
    assert torch.equal(offset.added_to(planes), planes)
    offset.added_to(planes)[..., 8, 8].sum().backward()
    assert [int((part.grad != 0).sum()) for part in offset.levels] == [6, 6 * 4, 6 * 4]
    with torch.no_grad():
        for part, value in zip(offset.levels, (1.0, 2.0, 4.0), strict=True):
            part += value
    assert torch.allclose(offset.total(), torch.full_like(planes, 7)) and torch.allclose(offset.added_to(planes), planes + 7)


def test_coarse_parts_alone_and_a_gate() -> None:
    planes, gate = torch.randn(1, 3, 2, 16, 16), torch.rand(1, 1, 4, 4, 4)
    offset = PlanesOffset(planes, (2,), gate)
    gated = offset.added_to(planes)
    assert gated.base is planes and gated.gate is gate and gated.offset.shape == planes.shape and not gated.offset.any()
