"""Commands that hold a whole fleet at once and end soon."""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable
from typing import Any, TypeVar

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


def holds_a_fleet(function: FunctionT) -> Callable[..., Any]:
    """For a command that builds very many values: Python looks for rings among them again and again, a sixth of the
    whole time, and there are none. The memory goes with the process.
    """

    @functools.wraps(function)
    def wrapper(*args: Any, **options: Any) -> Any:
        collecting = gc.isenabled()
        gc.disable()
        try:
            return function(*args, **options)
        finally:
            if collecting:
                gc.enable()

    return wrapper
