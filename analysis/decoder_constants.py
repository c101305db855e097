"""Where this command went."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    sys.exit(
        "error: analysis.decoder_constants measured the constant of the adiabatic theory, which is gone: the decoder "
        "that remembers (efftheory.memory_flow) has none. Commit 7594749 has both; docs/decoder/adiabatic.md says more."
    )
