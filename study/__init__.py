"""What makes this study: the evidence behind its claims, its pictures, its app. It imports `mvae_lib`, never the reverse."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as in mvae_lib, and for servers, which load no torch: kernels inherit it
