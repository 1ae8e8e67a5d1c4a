"""What should happen and whether it is sound: contracts, plans, their assembly and their progress."""
