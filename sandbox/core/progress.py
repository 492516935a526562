"""Progress that nobody sees; doors and tests give it where nobody watches."""


class Silent:
    """Ignores what it is told; see `ports.Progress`."""

    def say(self, step: str, text: str, done: int | None = None, total: int | None = None) -> None:
        """Ignore it."""

    def output(self, stream: str, chunk: bytes) -> None:
        """Ignore it."""
