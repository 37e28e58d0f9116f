"""Shapes made by formula: the default data of every test, example and of the demo."""

from pointssl.data.synthetic.shapes import FAMILIES, PARTS, SyntheticShapes

__all__ = ["FAMILIES", "PARTS", "SyntheticShapes"]
