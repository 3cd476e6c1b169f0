"""The page: reads settings, builds, launches. A Hugging Face Space runs this file."""

import argparse
import atexit
import contextlib
import os
import signal
import sys
import threading
from dataclasses import replace
from functools import partial
from types import FrameType

# Before torch is imported: see symgan_core/__main__.py.
os.environ.setdefault("OMP_WAIT_POLICY", "active" if sys.platform == "linux" else "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "30000")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

with contextlib.suppress(ImportError):  # on a Space it is there; it has to be imported before torch
    import spaces  # noqa: F401

from demo import Studio, build, read_settings, texts
from demo.gallery import EXAMPLES
from demo.logs import set_up_log
from demo.page import CSS, MEND, theme
from demo.places import checked_places
from demo.queues import MOST_EVENTS
from demo.routes import app_options
from demo.settings import variables
from demo.zero import on_zero_gpu
from symgan_core.errors import SymganError
from symgan_core.memory import keep_freed_memory


def main() -> None:
    """Serve the page until stopped."""
    parser = argparse.ArgumentParser(description="The symgan page.",
                                     epilog=f"Settings come from the environment: {', '.join(variables())}.")
    if parser.parse_known_args()[1]:
        parser.error(f"takes no arguments. {parser.epilog}")
    try:
        settings = checked_places(read_settings())
    except ValueError as error:
        parser.error(str(error))
    set_up_log(settings.serving.log)
    keep_freed_memory()
    apart = on_zero_gpu()
    # ZeroGPU's GPU is in another process, and "auto" would find it here: spaces pretends that there is one.
    try:
        studio = Studio(replace(settings, computing=replace(settings.computing, device="cpu")) if apart else settings)
    except SymganError as error:
        parser.error(str(error))
    atexit.register(studio.forget_all)
    signal.signal(signal.SIGTERM, partial(_leave, studio))
    studio.room.computing.take_over()
    # On ZeroGPU a warm process is not the one that works, and a fork in the midst of it could wait for ever.
    if not (apart or settings.computing.ray):
        threading.Thread(target=studio.warm_up, daemon=True).start()
    threading.Thread(target=studio.keep_clean, daemon=True).start()
    page = build(studio).queue(max_size=MOST_EVENTS, default_concurrency_limit=2)
    page.launch(
        server_name=settings.serving.host, server_port=settings.serving.port, max_file_size=settings.serving.max_upload, show_error=False,
        prevent_thread_lock=not apart,  # this thread computes
        allowed_paths=[str(settings.visiting.work), str(EXAMPLES)], css_paths=[CSS], run_history=False, footer_links=[], mcp_server=True,
        theme=theme(), i18n=texts.I18N, js=MEND.read_text(), app_kwargs=app_options(studio),
        ssr_mode=False)  # a Space may ask for Node's rendering, which would not have the tags for messengers
    try:
        studio.room.computing.serve()
    except KeyboardInterrupt:
        page.close()


def _leave(studio: Studio, number: int, frame: FrameType | None) -> None:
    """At SIGTERM: visitors' photos go at once, for whoever waits may kill soon; then Gradio closes its server as at Ctrl+C."""
    studio.forget_all()
    signal.default_int_handler(number, frame)


if __name__ == "__main__":
    main()
