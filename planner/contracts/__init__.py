"""What a value must look like: facets, compiled contracts, guarded JSON Schema, and capabilities that promise them."""
