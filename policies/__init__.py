"""What may happen next: conditions, policies and their engine, as pure values and functions."""
