import torch

from symgan_core.inversion.offset import PlanesOffset


def test_what_grew_is_there_at_once_and_each_part_is_learned() -> None:
    planes, grown = torch.randn(2, 1, 3, 2, 16, 16).unbind(0)
    offset = PlanesOffset(grown, (1, 2, 4))
    assert torch.equal(offset.added_to(planes), planes + grown)
    offset.added_to(planes)[..., 8, 8].sum().backward()
    assert [int((part.grad != 0).sum()) for part in offset.levels] == [6, 6 * 4, 6 * 4]
    with torch.no_grad():
        for part, value in zip(offset.levels, (1.0, 2.0, 4.0), strict=True):
            part += value
    assert torch.allclose(offset.total(), grown + 7) and torch.allclose(offset.added_to(planes), planes + grown + 7)


def test_planes_that_change_from_step_to_step_and_coarse_parts_alone() -> None:
    grown = torch.zeros(1, 3, 2, 16, 16)
    offset = PlanesOffset(grown, (2,))
    for _ in range(2):
        planes = torch.randn(1, 3, 2, 16, 16)
        assert torch.equal(offset.added_to(planes), planes)
    assert offset.total().shape == grown.shape
