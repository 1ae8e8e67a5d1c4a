"""The offline provider: writes valid, deterministic content for any output schema, without a model or a network."""
