"""One contract file, described for a person, wherever it lies."""

from pathlib import Path

from aigc_core.contracts.description import ContractDescription, describe_contract

__all__ = ["ContractDescription", "check_contract"]


def check_contract(path: Path) -> ContractDescription:
    """What a contract file holds data to, and what of it is not enforced.

    Raises:
        ContractInvalid: not UTF-8 YAML, not the standard, or a rule that cannot be evaluated; names the line.
    """
    return describe_contract(path)
