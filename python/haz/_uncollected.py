"""The garbage collector stays out of what only builds up."""

from __future__ import annotations

import gc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ParamSpec, TypeVar

    P = ParamSpec("P")
    T = TypeVar("T")


def uncollected(function: Callable[P, T]) -> Callable[P, T]:
    """Switch cycle collection off while the function runs.

    It makes many values that all stay. Being looked through for cycles again and again as they grow, they would cost
    more than their making: with 10,000 tasks twice the time, and more than in proportion.
    """

    def run(*arguments: P.args, **named: P.kwargs) -> T:
        was_on = gc.isenabled()
        gc.disable()
        try:
            return function(*arguments, **named)
        finally:
            if was_on:
                gc.enable()

    run.__doc__ = function.__doc__
    run.__name__ = function.__name__
    return run
