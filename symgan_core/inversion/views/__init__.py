"""Views that the photo does not show: what it and its mirror image say of them (pseudo labels)."""
