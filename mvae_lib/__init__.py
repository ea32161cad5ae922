"""Rebuild a modality that was not given: a multimodal VAE with a product of experts, small enough to read in one sitting."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is loaded: threads that wait leave their core to others

from mvae_lib.checkpoint import load
from mvae_lib.fusion import Gaussian, mixture_of_experts, product_of_experts
from mvae_lib.model import MVAE, build
from mvae_lib.presets import PRESETS
from mvae_lib.subsets import powerset

__all__ = ["MVAE", "PRESETS", "Gaussian", "build", "load", "mixture_of_experts", "powerset", "product_of_experts"]
