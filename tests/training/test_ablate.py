from training.ablate import table


def test_the_table_shows_what_changes_without_a_part() -> None:
    spi = {"mean": {"real": {"points": 0.03, "lpips_face": 0.08, "identity_distance": None}}, "spread": {
        "real": {"points": 0.001, "lpips_face": 0.002, "identity_distance": None}}}
    without = {"mean": {"real": {"points": 0.025, "lpips_face": None, "identity_distance": None}}, "spread": {}}
    head, _, first, second = table({"spi": spi, "without-pivot.mirror": without})
    assert head == "| | real lpips_face | real points |"
    assert first == "| spi | 0.0800 ± 0.0020 | 0.0300 ± 0.0010 |" and second == "| without-pivot.mirror | – | -0.0050 |"
