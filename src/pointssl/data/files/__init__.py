"""Files of clouds and meshes: a reader for every kind, and a folder of them as a data set."""
