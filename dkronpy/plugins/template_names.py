"""What a template may speak of, and how to write braces that are none."""

from __future__ import annotations

NAMES = ("job", "due", "node", "attempt", "run_id", "execution_id", "params", "parents")
RAW = "to write braces that are no template, put {% raw %} before and {% endraw %} behind them"
