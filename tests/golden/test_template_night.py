"""A fixed catalogue and the template engine give fixed texts and labels, on every machine and for ever.

When a change of texts or labels is meant: run this test, read the difference it prints, and put the new fingerprint
here. A change that was not meant to alter texts must leave it as it is.
"""

import pytest
from shop import Shop, rows_of

from aigc_core.ids import fingerprint
from aigc_core.records import RunSummary

pytest_plugins = ("shop_fixtures",)

GOLDEN = "bb25e666e3888a562585204223264d2a"
LABELS = ("explicit_label", "text_labelled", "aigc_label", "aigc_producer", "aigc_propagator", "digital_source_type")


@pytest.fixture
def published(finished: tuple[Shop, RunSummary]) -> list[dict[str, object]]:
    """Ids, texts and labels after one night."""
    return rows_of(finished[0].shelf, "item_id", "locale", "text", *LABELS)


def test_the_golden_night(published: list[dict[str, object]]) -> None:
    assert fingerprint(published) == GOLDEN, "\n".join(str(row["text_labelled"]) for row in published)
