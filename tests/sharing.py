"""Who runs what, where two processes share the tests (`make test`).

A file is one process's, for the fixtures that its tests have in common; the browser's files are one process's together, since
they mostly wait; a notebook stands for itself. pytest-xdist's own way to say so, `xdist_group`, does nothing under pytest 9.2.
"""

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

BROWSER = ("tests/test_browser.py", "tests/test_page.py")


class Sharing(LoadScopeScheduling):
    """Work is given out in parts, those of many tests first: the notebooks, long ones of one test each, fill up the end."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        if file in BROWSER:
            return "browser"
        return nodeid if file == "tests/test_notebooks.py" else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Sharing:
    return Sharing(config, log)
