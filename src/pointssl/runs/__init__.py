"""What a run is on disk: settings, record, checkpoints, encoders; how it is opened again, here and on the hub."""
