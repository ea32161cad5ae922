"""For the server: send at once what a kernel answers.

`make lab` and `make app` start theirs with it; any other takes
``--ServerApp.kernel_websocket_connection_class=mvae_lib.widgets.prompt.Prompt``.
"""

from typing import Any

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection


class Prompt(ZMQChannelsWebsocketConnection):
    """jupyter_server's own connection between a page and its kernel, without Nagle's algorithm.

    With it (TCP's default, RFC 896), the image that follows the kernel's "busy" waits until the browser has acknowledged that
    one, which takes every other move of a slider up to 40 ms.
    """

    def connect(self) -> Any:
        self.websocket_handler.set_nodelay(True)
        return super().connect()
