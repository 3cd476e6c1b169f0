"""The page: reads settings, builds, launches. A Hugging Face Space runs this file."""

import os
import sys

# Before torch is imported: see symgan_core/__main__.py.
os.environ.setdefault("OMP_WAIT_POLICY", "active" if sys.platform == "linux" else "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import gradio as gr

from demo import build, read_settings
from demo.layout import CSS
from symgan_core.memory import import_ahead, keep_freed_memory


def main() -> None:
    """Serve the page until stopped."""
    keep_freed_memory()
    import_ahead()
    settings = read_settings()
    page = build(settings).queue(max_size=settings.queue_size, default_concurrency_limit=2)
    page.launch(
        server_name=settings.host, server_port=settings.port, max_file_size=settings.max_upload, show_error=False,
        allowed_paths=[str(settings.work), "examples"], css_paths=[CSS], run_history=False, footer_links=[],
        theme=gr.themes.Soft(primary_hue="indigo"))


if __name__ == "__main__":
    main()
