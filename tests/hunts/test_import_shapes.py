"""The hunt for manifests that an import cannot bear, in short."""

from __future__ import annotations

from tests.hunts.import_shapes import hunt


def test_manifests_of_any_shape_are_imported_or_refused() -> None:
    ends = hunt(60)
    assert ends["imported"] > 40
