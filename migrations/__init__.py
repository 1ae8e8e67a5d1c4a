"""The history of the tables: additive steps, applied under a lock."""
