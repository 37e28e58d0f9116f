"""How good is an encoder? Probes, few labels, fine-tuning, always beside the same network untrained.

`suite.evaluate` measures a run, `compare.compare` several, `embed.embed` writes the features to a file.
"""
