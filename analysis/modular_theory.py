"""Where this command went."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    sys.exit("error: analysis.modular_theory is in the comparison: python -m analysis.compare_theory modular_theory")
