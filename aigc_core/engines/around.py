"""An engine around another: it has the other's identity and changes what is asked or answered."""

from aigc_core.engines.base import Generator


class Around:
    """The identity of the engine within."""

    def __init__(self, engine: Generator) -> None:
        """Take the engine that writes."""
        self._engine = engine

    @property
    def engine(self) -> str:
        """That of the engine within."""
        return self._engine.engine

    @property
    def model_digest(self) -> str:
        """That of the engine within."""
        return self._engine.model_digest

    @property
    def dtype(self) -> str:
        """That of the engine within."""
        return self._engine.dtype
