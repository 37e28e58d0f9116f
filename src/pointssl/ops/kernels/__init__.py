"""The fast forms inside networks: norms, pooling, edge convolutions, neighbours; compiled where that helps."""
