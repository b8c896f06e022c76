"""Fixtures that every layer of tests uses."""

from __future__ import annotations

import pytest

from tests.space import Space


@pytest.fixture
def space(tmp_path_factory: pytest.TempPathFactory) -> Space:
    """Give an empty folder in which a test lays out a workspace and runs the installed `haz`."""
    return Space(tmp_path_factory.mktemp("space"))
