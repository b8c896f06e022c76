"""Fixtures that every layer of tests uses."""

from __future__ import annotations

import signal

import pytest
from hypothesis import HealthCheck, settings

from tests.space import Space

# A machine may be slow for a moment: what is tested is never how long it takes.
settings.register_profile("unhurried", parent=settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


def pytest_configure() -> None:
    """Give children the default signals: a background job of a shell ignores SIGINT, and haz keeps what is ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture
def space(tmp_path_factory: pytest.TempPathFactory) -> Space:
    """Give an empty folder in which a test lays out a workspace and runs the installed `haz`."""
    return Space(tmp_path_factory.mktemp("space"))
