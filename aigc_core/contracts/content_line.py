"""A content line as the stages use it: its recipe and its three contracts, read from one folder."""

from dataclasses import dataclass
from pathlib import Path

from aigc_core.contracts.model import Contract, ObjectContract
from aigc_core.contracts.odcs import read_contract
from aigc_core.contracts.recipe import Recipe, read_recipe
from aigc_core.errors import ContractInvalid, RecipeInvalid
from aigc_core.ids import fingerprint

RECIPE = "recipe.yaml"
PLACING = {"shard_rows", "slots", "workers", "fan_out", "stall_seconds", "caps"}
"""Settings of `generation` that say where and when texts are made, never what they are: no part of any digest."""
_CONTRACTS = {"corpus": ("corpus",), "catalogue": ("catalogue",), "description": ("rows", "run")}


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentLine:
    """One kind of content made regularly."""

    folder: Path
    recipe: Recipe
    corpus: Contract
    catalogue: Contract
    description: Contract
    """The output contract: objects `rows` (what is published) and `run` (the gates)."""

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.recipe.line

    @property
    def corpus_rows(self) -> ObjectContract:
        """What a training pair must hold."""
        return self.corpus.objects["corpus"]

    @property
    def catalogue_rows(self) -> ObjectContract:
        """What an item must hold."""
        return self.catalogue.objects["catalogue"]

    @property
    def digest(self) -> str:
        """Of the recipe and the contracts: any change makes another night, but for what only places the work."""
        contracts = [self.corpus.digest, self.catalogue.digest, self.description.digest]
        return fingerprint([self.recipe.model_dump(mode="json", exclude={"generation": PLACING}), *contracts])


def read_content_line(folder: Path) -> ContentLine:
    """Read and cross-check one line's folder.

    Raises:
        RecipeInvalid, ContractInvalid: a file does not hold, or the files do not fit each other.
    """
    recipe = read_recipe(folder / RECIPE)
    contracts = {name: read_contract(folder / f"{name}.odcs.yaml") for name in _CONTRACTS}
    for name, objects in _CONTRACTS.items():
        _require_objects(folder / f"{name}.odcs.yaml", contracts[name], objects)
    line = ContentLine(folder=folder, recipe=recipe, **contracts)
    _require_fit(line)
    return line


def _require_objects(path: Path, contract: Contract, objects: tuple[str, ...]) -> None:
    missing = [name for name in objects if name not in contract.objects]
    if missing:
        raise ContractInvalid(
            f"{path} lacks the object {' and '.join(missing)}; it has {', '.join(contract.objects)}.",
            f"It must describe {' and '.join(objects)}.",
        )


def _require_fit(line: ContentLine) -> None:
    recipe, path = line.recipe, line.folder / RECIPE
    if recipe.line != line.folder.name:
        raise RecipeInvalid(f"{path}: line is {recipe.line!r}, but the folder is {line.folder.name!r}.")
    known = {column.name for column in line.catalogue_rows.columns}
    wanted = {attribute.column for attribute in recipe.attributes.values()}
    wanted |= {name for name in (recipe.product_group, recipe.variant_group, recipe.category, recipe.seller) if name}
    if unknown := sorted(wanted - known):
        raise RecipeInvalid(
            f"{path} names columns the catalogue contract does not have: {', '.join(unknown)}.",
            f"It has {', '.join(sorted(known))}.",
        )
    for name, contract in (("catalogue", line.catalogue_rows), ("corpus", line.corpus_rows)):
        named = set(getattr(recipe.columns, name))
        columns = {column.name for column in contract.columns}
        if odd := sorted(named - columns):
            raise RecipeInvalid(
                f"{path}: columns.{name} names {', '.join(odd)}, which the {name} contract does not have.",
                f"It has {', '.join(sorted(columns))}.",
            )
