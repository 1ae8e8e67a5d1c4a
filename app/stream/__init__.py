"""How frames reach clients: parsed once per process, followed in order, written as server-sent events."""
