"""The event log: frames, the log that numbers them, and the bus that carries a live copy."""
