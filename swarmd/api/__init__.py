"""Docker's HTTP API: our part answered, the rest passed to the engine."""
