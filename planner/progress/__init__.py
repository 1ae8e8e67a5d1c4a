"""How a plan is run: the state of a run, the next step, what a node sees, and the final output."""
