"""Rebuild a sense that was not given: a multimodal VAE with a product of experts, small enough to read in one sitting."""

from mvae_lib.checkpoint import load
from mvae_lib.model import MVAE
from mvae_lib.poe import product_of_experts, subsets
from mvae_lib.spec import PRESETS

__all__ = ["MVAE", "PRESETS", "load", "product_of_experts", "subsets"]
