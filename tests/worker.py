"""One process of `test_distributed`: started by torchrun, in as many copies as the test says."""

import sys
import warnings
from pathlib import Path

import torch.distributed as dist
from small import run, triplets

from mvae_lib import train

if __name__ == "__main__":
    folder, epochs, compiled = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "compiled"
    dist.init_process_group("gloo")
    spec = run(epochs=epochs, batch_size=15, beta_epochs=3, patience=9, compile=compiled)
    warnings.filterwarnings("error", message="torch.compile cannot be had")  # compiled, and not given up on
    train.fit(spec, triplets(), triplets("val"), folder, bar=False)
    dist.destroy_process_group()
