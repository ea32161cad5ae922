"""``python -m study.app explorer.ipynb``: serves the page, as `make app` does."""

from study.app.visitors import Page

if __name__ == "__main__":
    Page.launch_instance()
