"""What a source holds: read once, completely, in memory that does not grow with it."""

import tempfile
import time
from pathlib import Path

from pydantic import ValidationError

from aigc_core.contracts.profile import ColumnProfile, LineProfile, Profile, Services, Structure
from aigc_core.contracts.reading import Reading
from aigc_core.errors import UserError
from aigc_core.lines.services import services_in
from aigc_core.lines.spill import Spilled, asked, spill
from aigc_core.lines.statistics import column_profile
from aigc_core.lines.structure import structure_of
from aigc_core.storage.sources import public_name, read_source, require_no_secret, survey

__all__ = ["ColumnProfile", "LineProfile", "Profile", "Structure", "declared", "profile_source", "shown_source"]
DETECTED = Reading()


def declared(*, encoding: str | None = None, delimiter: str | None = None) -> Reading:
    """What a person says of the files of a source, checked.

    Raises:
        UserError: a delimiter of more than two characters.
    """
    named = {"encoding": encoding, "delimiter": {"tab": "\t", "\\t": "\t"}.get(delimiter or "", delimiter)}
    try:
        return Reading.model_validate({name: value for name, value in named.items() if value})
    except ValidationError as error:
        raise UserError(
            f"{delimiter!r} cannot be a delimiter: {error.errors()[0]['msg']}.",
            "A delimiter is one or two characters, or `tab`.",
        ) from error


def shown_source(profile: Profile) -> str:
    """The source as it may be shown: an address without its settings."""
    return public_name(profile.source)


def profile_source(path: str, *, reading: Reading = DETECTED) -> Profile:
    """Read a source and say what its columns hold and how its rows belong together.

    The rows pass through a folder on disk, as large as the source uncompressed.

    Args:
        path: a file, a glob, a folder or an address.
        reading: what is declared of the files; the rest is detected and told in `Profile.files`.

    Raises:
        SourceInvalid: the source cannot be read, or its address carries a secret.
    """
    require_no_secret(path)
    began = time.monotonic()
    files = survey(path, reading=reading)
    with tempfile.TemporaryDirectory(prefix="aigc-profile-") as scratch:
        spilled = spill(path, read_source(path, reading=reading), Path(scratch))
        columns, structure, services = _described(spilled)
    return Profile(
        source=path,
        files=files,
        rows=spilled.rows + sum(found.rows for found in spilled.unreadable),
        unreadable=spilled.unreadable,
        columns=columns,
        structure=structure,
        services=services,
        seconds=round(time.monotonic() - began, 2),
    )


def _described(spilled: Spilled) -> tuple[tuple[ColumnProfile, ...], Structure, tuple[Services, ...]]:
    with asked(spilled) as connection:
        columns = tuple(
            column_profile(connection, name, column, spilled.rows) for name, column in spilled.names.items()
        )
        structure = structure_of(connection, columns, spilled.names, spilled.rows)
        return columns, structure, services_in(connection, columns, spilled.names, structure)
