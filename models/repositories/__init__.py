"""The tables as values: one repository per noun."""
