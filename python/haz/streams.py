"""Writing to the standard streams byte by byte as given: no encoding, no buffering, no exception."""

from __future__ import annotations

import os

TYPE_CHECKING = False


def valid(text: str) -> str:
    """Make text that JSON can hold of a name or a path, whatever its bytes: those that are not UTF-8 are replaced."""
    return text.encode(errors="surrogateescape").decode(errors="replace")


class Writer:
    """Writes everything or remembers why not: `error` is the first failure, after which the stream is left alone."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.error: OSError | None = None

    def __call__(self, data: bytes) -> None:
        view = memoryview(data)
        while view and self.error is None:
            try:
                view = view[os.write(self.descriptor, view) :]
            except BlockingIOError:
                # The other end made the pipe non-blocking: wait for room, as a blocking write would.
                import select  # noqa: PLC0415 - rare

                select.select((), (self.descriptor,), ())
            except OSError as error:
                self.error = error

    def text(self, text: str) -> None:
        """Write text as UTF-8; what came from bytes that are not UTF-8 goes out as those bytes."""
        self(text.encode(errors="surrogateescape"))
