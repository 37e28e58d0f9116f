"""Public data sets: their layouts on disk, and their download with consent, checksum and safe unpacking."""
