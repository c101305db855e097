"""When networks grok by weight norm: a law from the landscape, and its rivals."""
