"""Getting the experiments: their plans, what trains the missing runs, the store."""
