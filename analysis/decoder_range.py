"""Where this command went."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    sys.exit("error: analysis.decoder_range is in the comparison: python -m analysis.compare_theory decoder_range")
