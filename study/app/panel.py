"""What every panel here has: handlers whose errors are seen, a line to say things in, and slow work beside the controls."""

import asyncio
import threading
from collections.abc import Callable
from html import escape
from typing import Any

import ipywidgets as widgets

MARGIN = 4  # the space to the right of every control, in pixels
ERROR = "--jp-error-color1"  # a colour of JupyterLab's


class Panel(widgets.VBox):
    """A VBox that serialises handlers and shows their exceptions.

    While a handler runs, what it changes calls no other. ipykernel 7 hands a page's messages to more than one thread: a control
    that is used meanwhile waits for its turn.
    """

    _turn = threading.RLock()  # of all panels
    note = ""  # what stands in the panel when there is nothing else to say

    def __init__(self, width: int = 500) -> None:
        super().__init__()
        self.message, self._busy = sized(widgets.HTML(), width, height=28), False

    def on(self, control: Any, *handlers: Callable[[], Any], trait: str = "value") -> None:
        """Have `handlers` called, one after the other, when a control is used: a button pressed, another's trait changed."""
        if isinstance(control, widgets.Button):
            control.on_click(lambda _: self.run(*handlers))
        else:
            control.observe(lambda _: self.run(*handlers), trait)

    def run(self, *handlers: Callable[[], Any]) -> None:
        """Call `handlers`, and show in the panel what one raises, which ipywidgets would swallow."""
        with self._turn:
            if self._busy:  # a handler, in this thread, is moving other controls
                return
            self._busy = True
            try:
                self.say(self.note)
                for handler in handlers:
                    handler()
            except Exception as error:
                self.say(f"{type(error).__name__}: {error}", ERROR)
            finally:
                self._busy = False

    def later(self, work: Callable[[], Any], then: Callable[[], Any]) -> None:
        """Some slow work beside the controls, which go on, and then an answer; where no loop runs, as in a script, at once."""
        try:
            running = asyncio.get_running_loop().run_in_executor(None, work)
            running.add_done_callback(lambda done: self.run(done.result, then))
        except RuntimeError:
            work()
            then()
            self.say(self.note)

    def say(self, text: str, colour: str = "--jp-ui-font-color2") -> None:
        """Put a line into the panel, in a colour of JupyterLab's."""
        self.message.value = f'<span style="color: var({colour})">{escape(text)}</span>'


def sized(control: Any, width: int, description: int | None = None, height: int | None = None) -> Any:
    """The control at a fixed size, of which its description has so much; in pixels. Without a height, it keeps its own."""
    tall = {} if height is None else {"height": f"{height}px"}
    control.layout = {"width": f"{width}px", "min_width": f"{width}px", "margin": f"0 {MARGIN}px 0 0"} | tall
    if description is not None:
        control.style.description_width = f"{description}px"
    return control
