"""The terms of both stages: each a small class with its weight and one method."""
