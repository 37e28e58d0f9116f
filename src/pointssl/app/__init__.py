"""The command line, the recipes it starts from, and the demo: everything above the library."""
