"""Hands on: widgets that call the library and hold no maths."""
