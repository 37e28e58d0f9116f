"""Pages of interactions and of studies."""
