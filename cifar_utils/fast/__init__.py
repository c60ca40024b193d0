"""What makes training fast: faster layers, whitening, optimisers, input, precision, resuming."""
