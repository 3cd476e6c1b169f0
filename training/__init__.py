"""Builds the built-in weights from the CC0 head pack. Nothing in ``symgan_core`` or ``demo`` imports this package."""
