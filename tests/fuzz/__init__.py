"""Seeded mutations of what strangers send: photos, calls, names, portraits, checkpoints. ``python -m tests.fuzz --count 5000 --seed 0``."""
