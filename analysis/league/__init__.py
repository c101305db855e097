"""The league: every measure that a theory of grokking proposes, on the same runs."""
