"""One look for all figures: that of the comparison's pictures."""

from __future__ import annotations

from analysis.agreement.pictures import BLUE, GREEN, GREY, LOOK, ORANGE, VERMILION, draw_probability

__all__ = ["BLUE", "GREEN", "GREY", "LOOK", "ORANGE", "VERMILION", "draw_probability"]
