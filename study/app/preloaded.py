"""Imported once, in the process that all kernels of the page are forked from; it holds what they share.

What is used for the first time (fonts, compiled loops, tables) is used here before; no thread is started, since a fork has none.
"""

import gc
import importlib
import sys

import torch
from ipywidgets import Widget, register_comm_target

from study.app.page import page

KERNELS = """study.app.forked ipykernel.kernelapp ipykernel.ipkernel ipykernel.debugger IPython.core.completerlib
    IPython.core.debugger IPython.extensions.storemagic psutil sqlite3 tornado.platform.asyncio tornado.queues""".split()
"""What a kernel imports as it starts."""

sys.modules["debugpy"] = None  # pyright: ignore[reportArgumentType] (a page has no debugger, and each kernel would load one: 8 MB)
gc.disable()  # or it would write into each object, and so copy it, in every fork
torch.set_num_threads(1)  # each visitor's moves on one core
page()
Widget.close_all()
for name in KERNELS:  # after the widgets, which speak to a kernel as soon as this is imported
    importlib.import_module(name)
register_comm_target()  # ipywidgets does it as it is imported, where there is a kernel by then
gc.collect()
gc.freeze()
