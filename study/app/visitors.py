"""The page's server: Voilà, for those who come by a known name, with a bound on its kernels and an end to each."""

import re
from datetime import UTC, datetime
from importlib.metadata import EntryPoint
from multiprocessing import get_context
from signal import SIG_DFL, SIGTERM, signal
from typing import Any

from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.web import HTTPError, RequestHandler
from traitlets import Bool, Integer, List, Unicode
from voila.app import Voila
from voila.tornado.handler import TornadoVoilaHandler

from study.app.forked import Fork
from study.app.server import NoDelayConnection

KernelProvisionerFactory.provisioners["forked"] = EntryPoint(
    "forked", "study.app.forked:ForkedProvisioner", KernelProvisionerFactory.GROUP_NAME
)
SERVED = "|".join(
    (
        "/",
        r"/voila/(static|api/themes|labextensions|templates/\w+/static)/[\w@./~+-]+",
        r"(/voila/api/shutdown|/api/kernels)/\w+(-\w+){4}(/channels)?",
    )
)
"""What the page asks for."""


class PageConnection(NoDelayConnection):
    """Closed when its kernel has died, so that the page knows; and when it closes, the kernel's time of grace begins."""

    def on_restart_failed(self) -> None:
        super().on_restart_failed()
        self.websocket_handler.close()

    def disconnect(self) -> None:
        if self.kernel_manager:
            self.kernel_manager.last_activity = datetime.now(UTC)
        super().disconnect()


class Kernels(AsyncMappingKernelManager):
    """A kernel a visitor, and no more at once than `most`; ended when its page has gone, or was left alone for long."""

    most = Integer(20, config=True, help="How many visitors there may be at once.")
    gone = Integer(60, config=True, help="Seconds after which a kernel ends whose page is closed or was never opened.")
    idle = Integer(3600, config=True, help="Seconds after which a kernel ends whose page is open and not used.")
    cull_interval, cull_idle_timeout, cull_connected = Integer(10, config=True), Integer(60), Bool(True)

    async def start_kernel(self, **kwargs: Any) -> str:
        starting = {kernel for kernel, task in self._pending_kernels.items() if not task.done()}
        if len(starting | set(self.list_kernel_ids())) >= self.most:
            raise HTTPError(503, f"there are {self.most} visitors, and no more can come in")
        return await super().start_kernel(**kwargs)

    async def cull_kernel_if_idle(self, kernel_id: str) -> None:
        here = self._kernel_connections.get(kernel_id) or self._kernels[kernel_id].execution_state == "starting"
        self.cull_idle_timeout = self.idle if here else self.gone
        await super().cull_kernel_if_idle(kernel_id)
        if kernel_id not in self:
            for page in [page for page in PageConnection._open_sockets if page.kernel_id == kernel_id]:
                page.websocket_handler.close()


class Visit(TornadoVoilaHandler):
    """The page, with the cookie that its farewell needs: Voilà's page ends its kernel as it goes, and was refused without."""

    async def get(self, path: str | None = None) -> None:
        self.xsrf_token  # noqa: B018 (a property that sets the cookie)
        await super().get(path)


class Refusal(RequestHandler):
    """A status and a line, whatever is asked."""

    def initialize(self, status: int, words: str) -> None:
        self.status, self.words = status, words

    def prepare(self) -> None:
        self.set_status(self.status)
        self.finish(self.words + "\n")


class Page(Voila):
    """Voilà for one notebook: nothing but what its page asks for, and only under a name that is this machine's or was given.

    Any other name may be a stranger's that points here ("DNS rebinding"), whose site would then read the page and its kernel.
    """

    hosts = List(Unicode(), ["localhost", "127.0.0.1", "[::1]"], config=True, help="The names that the page is served under.")

    def init_settings(self) -> dict:
        settings: Any = super().init_settings()
        return {**settings, "jinja2_env": settings["voila_jinja2_env"]}  # the other's pages of errors fail here themselves

    def init_handlers(self) -> list:
        named = "|".join(re.escape(host.lower()) for host in self.hosts)
        stranger = f"This page is at {', '.join(self.hosts)} alone. Open it there, or name this host in voila.json: Page, hosts."
        self.app.add_handlers(rf"(?!(?:{named})$).*", [(".*", Refusal, {"status": 421, "words": stranger})])
        nothing = {"status": 404, "words": "There is nothing here. The page is at /"}
        kinds = {TornadoVoilaHandler: Visit}
        handlers = [(path, kinds.get(kind, kind), *rest) for path, kind, *rest in super().init_handlers()]
        return [(rf"(?!{re.escape(self.server_url.rstrip('/'))}(?:{SERVED})$).*", Refusal, nothing), *handlers]

    def listen(self) -> None:
        """Load what the kernels share, and then let visitors in."""
        get_context("forkserver").set_forkserver_preload(["study.app.preloaded"])
        self.log.info("Loading the models, once for all visitors ...")
        stop, ready = signal(SIGTERM, SIG_DFL), Fork(target=int)
        try:
            ready.start()
            ready.join()
        except (EOFError, OSError):
            self.log.critical("The models could not be loaded; the reason stands above.")
            self.exit(1)
        except KeyboardInterrupt:
            self.exit(130)
        signal(SIGTERM, stop)
        super().listen()
