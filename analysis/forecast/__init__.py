"""When will a run generalise, said from its log so far."""
