"""Opening a page in the person's browser, where there is one to see."""

from __future__ import annotations

import os
import sys


def can_open() -> bool:
    """Tell whether a browser has a screen; one of the terminal would take ours over."""
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def show(url: str) -> bool:
    """Open a page; return whether a browser took it."""
    import webbrowser

    try:
        return can_open() and webbrowser.open(url)
    except (webbrowser.Error, OSError):
        return False
