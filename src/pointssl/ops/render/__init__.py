"""Cameras around shapes, pictures of points, light on them."""
