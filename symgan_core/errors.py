"""Errors that a user can cause: each says what was seen and what would help."""


class SymganError(Exception):
    """Base of all typed errors. ``str(error)`` is one line, fit to be shown to a user.

    Args:
        seen: what is wrong.
        help: what would help.
        values: of what the two name in braces, where they do; a translator looks ``template`` up and fills in the same ``values``.
    """

    def __init__(self, seen: str, help: str = "", **values: str | float):
        self.template, self.values = f"{seen} {help}".strip(), values
        self.seen, self.help = (text.format(**values) if values else text for text in (seen, help))
        super().__init__(f"{self.seen} {self.help}".strip())


class PhotoError(SymganError):
    """The file cannot be used as a photo (unreadable, empty, too small, too large)."""


class NoFaceFound(PhotoError):
    """No face was found in the photo, or the one asked for does not exist."""


class RequestError(SymganError):
    """An argument is out of range or names something that does not exist."""


class CheckpointError(SymganError):
    """A generator or portrait file is damaged, of another kind, or refused."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, a GPU's or the machine's: torch has several errors for that."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    said = str(error).lower()
    return isinstance(error, RuntimeError) and ("not enough memory" in said or "can't allocate memory" in said or "out of memory" in said)


TOO_LITTLE_MEMORY = "There is too little memory for this.", "Close other programs, or use --device cpu where the GPU's was too little."
"""What was seen and what helps, where nothing smaller is left to try."""
