"""Hands on: the explorer, the studio and the listener. They call the library and the evidence, and hold no maths."""
