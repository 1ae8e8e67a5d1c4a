"""The shapes that clients see, one file per noun; tests hold them to the planner's checks, which decide."""
