from training.tables import table


def test_people_are_a_method_a_row_with_the_spread_of_seeds() -> None:
    mean = {"real": {"lpips_face": 0.06412, "points": 0.027, "identity_distance": None}, "sharpness": {"mean": 0.9},
            "input": {"psnr": 28.04, "lpips": 0.043}}
    spread = {"real": {"lpips_face": 0.0018, "points": 0.0002, "identity_distance": None}, "sharpness": {"mean": 0.01},
              "input": {"psnr": 0.5, "lpips": 0.001}}
    said, _, head, _, row = table({"preset": "fast", "seeds": [0, 1, 2], "methods": {
        "spi": {"mean": mean, "spread": spread, "each": {"a": {}, "b": {}}}}})
    assert said == "n = 2, preset `fast`, 3 seeds"
    assert head.startswith("| method | LPIPS of the face | points | identity distance |")
    assert row == "| spi | 0.0641 ± 0.0018 | 0.0270 ± 0.0002 | – | 0.90 ± 0.01 | 28.0 ± 0.5 | 0.043 ± 0.001 |"


def test_views_with_truth_are_a_person_a_row_as_distances() -> None:
    one = {"input": {"haarpsi": 0.968}, "novel": {"haarpsi": 0.673, "depth_l1": 0.0059}, "hidden": {"haarpsi": 0.819}}
    lines = table({"preset": "fast", "seeds": [0], "methods": {"spi": {"mean": one, "each": {"person-0": one}}}})
    assert lines[0] == "n = 1, preset `fast`, 1 seed"
    assert lines[-2:] == [f"| {name} | 0.032 | 0.327 | 0.181 | 0.0059 |" for name in ("person-0", "mean")]
