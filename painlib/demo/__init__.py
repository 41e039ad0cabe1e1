"""The demonstration cohort: drawn mice, not real ones, seen by two cameras, whose pain is known."""

from .cast import DemoParams
from .curves import simulate_minute_curves
from .filming import draw_cohort

__all__ = ["DemoParams", "draw_cohort", "simulate_minute_curves"]
