from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.boundary.children import Children

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def children(tmp_path: Path) -> Children:
    return Children(str(tmp_path / "spill"))
