"""The plan as a value: its graph, the identity of its nodes, its stored form and its cut into lanes."""
