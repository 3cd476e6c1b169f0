"""Errors that a user can cause: each says what was seen and what would help."""


class SymganError(Exception):
    """Base of all typed errors. ``str(error)`` is one line, fit to be shown to a user."""

    def __init__(self, seen: str, help: str = ""):
        self.seen = seen
        self.help = help
        super().__init__(f"{seen} {help}".strip())


class PhotoError(SymganError):
    """The file cannot be used as a photo (unreadable, empty, too small, too large)."""


class NoFaceFound(PhotoError):
    """No face was found in the photo, or the one asked for does not exist."""


class RequestError(SymganError):
    """An argument is out of range or names something that does not exist."""


class CheckpointError(SymganError):
    """A generator or portrait file is damaged, of another kind, or refused."""
