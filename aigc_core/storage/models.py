"""Tuned models on disk: content-addressed folders, and aliases that say which one writes tonight."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter

from aigc_core.ids import fingerprint
from aigc_core.records import ModelVersion
from aigc_core.storage.files import lake_errors, read_json, write_json, write_text
from aigc_core.storage.progress import LOCK

CHAMPION = "champion"
_MODEL = TypeAdapter(ModelVersion)


class ModelStore:
    """`models/<line>/`: one folder a digest, `aliases.json` beside them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def champion(self) -> ModelVersion | None:
        """The model that serves, or None before the first training."""
        aliases = self._aliases()
        return self.read(aliases[CHAMPION]) if CHAMPION in aliases else None

    def promote(self, digest: str) -> None:
        """Let this model serve from now on."""
        write_json(self.folder / "aliases.json", {**self._aliases(), CHAMPION: digest})

    def read(self, digest: str) -> ModelVersion:
        """The record of a stored model."""
        manifest = self._manifest(self.folder / digest)
        return replace(_MODEL.validate_python(manifest["model"]), path=str(self.folder / digest))

    def trained_under(self, training_key: str) -> ModelVersion | None:
        """The model an earlier training of the same key left, or None."""
        for path in sorted(self.folder.glob("*/manifest.json")):
            if self._manifest(path.parent).get("training_key") == training_key:
                return self.read(path.parent.name)
        return None

    def variant(self, digest: str, name: str) -> Path:
        """Where a converted form of a model lies, tuned here or not; not made by asking."""
        return self.folder / digest / "variants" / name

    def workshop(self, training_key: str) -> Path:
        """Where a training of that key works; found again after a crash."""
        path = self.folder / f".training-{training_key}"
        with lake_errors(path):
            path.mkdir(parents=True, exist_ok=True)
        return path

    def keep(self, workshop: Path, model: ModelVersion, card: str, lineage: Mapping[str, object]) -> ModelVersion:
        """Move a finished training to its digest's folder, with card and manifest. Idempotent."""
        home = self.folder / model.digest
        kept = replace(model, path=str(home))
        if not (home / "manifest.json").exists():
            write_text(workshop / "MODEL_CARD.md", card)
            write_json(workshop / "manifest.json", {"model": replace(model, path=model.digest), **lineage})
            with lake_errors(home):
                (workshop / LOCK).unlink(missing_ok=True)
                shutil.rmtree(home, ignore_errors=True)
                workshop.rename(home)
        return kept

    def _aliases(self) -> dict[str, str]:
        path = self.folder / "aliases.json"
        return TypeAdapter(dict[str, str]).validate_python(read_json(path)) if path.exists() else {}

    @staticmethod
    def _manifest(folder: Path) -> dict[str, object]:
        return TypeAdapter(dict[str, object]).validate_python(read_json(folder / "manifest.json"))


def training_key(*settings: object) -> str:
    """Equal settings give the equal key: a crashed training is found again, a finished one is not repeated."""
    return fingerprint(list(settings), length=16)
