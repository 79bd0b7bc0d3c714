"""What is done to a source's values before the contract judges them: in order, recorded, by rule."""

from aigc_core.contracts.strict import Strict


class Step(Strict):
    """One step of `cleaning`."""
