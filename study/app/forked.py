"""Kernels that share memory: all are forked from one process that holds torch, the models and the data."""

import gc
import os
import resource
from multiprocessing.context import ForkServerProcess
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

MEMORY = 2 * 2**30  # bytes that a kernel may write to: a file that asks for more is an error in its panel, and ends nobody else


class Fork(ForkServerProcess):
    """A process with the names that `LocalProvisioner` uses of a ``Popen``."""

    stdin = stdout = stderr = None

    def poll(self) -> int | None:
        return self.exitcode

    def wait(self) -> int | None:
        self.join()
        return self.exitcode

    def send_signal(self, number: int) -> None:
        if self.pid and self.is_alive():
            os.kill(self.pid, number)


class ForkedProvisioner(LocalProvisioner):
    """Forks a kernel where jupyter_client would start a Python: it is there at once, and what it does not write it shares."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        file, where = self.parent.connection_file, os.fspath(kwargs.get("cwd") or os.getcwd())  # pyright: ignore
        self.process = Fork(target=serve, args=(file, where, dict(kwargs["env"])), daemon=True)
        self.process.start()
        self.pid = self.pgid = self.process.pid  # of a group of its own, as `serve` begins
        return self.connection_info


def serve(file: str, where: str, env: dict[str, str]) -> None:
    """Be a kernel, in the process that was forked for it. It ends with the one that it was forked from."""
    from ipykernel.kernelapp import IPKernelApp  # here: where it is imported, widgets speak to a kernel

    os.setsid()
    os.chdir(where)
    os.environ.clear()
    os.environ.update(env)
    gc.enable()
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    IPKernelApp.launch_instance(["-f", file, "--HistoryManager.enabled=False"], parent_handle=os.getppid())
