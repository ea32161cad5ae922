"""A Jupyter server's ``--ServerApp.kernel_websocket_connection_class``, as the Makefile gives it."""

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection


class NoDelayConnection(ZMQChannelsWebsocketConnection):
    """jupyter_server's connection between a page and its kernel, without Nagle's algorithm (TCP's default, RFC 896).

    With it, the image that follows the kernel's "busy" waits for the browser's acknowledgement: up to 40 ms, every other move.
    """

    def connect(self) -> object:
        self.websocket_handler.set_nodelay(True)
        return super().connect()
