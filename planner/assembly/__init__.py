"""How a plan is found: what can be reached, what each choice is worth, the best choice, and the proof that it fits."""
