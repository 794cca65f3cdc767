"""The event loop of the fake provider and of the clients: uvloop's, if it is installed."""

from __future__ import annotations

import asyncio
from importlib import import_module, metadata


def new_loop() -> asyncio.AbstractEventLoop:
    """Return a new event loop."""
    try:
        loop: asyncio.AbstractEventLoop = import_module("uvloop").new_event_loop()
    except ImportError:
        return asyncio.new_event_loop()
    return loop


def loop_version() -> str:
    """Return the name and version of the event loop."""
    try:
        return f"uvloop {metadata.version('uvloop')}"
    except metadata.PackageNotFoundError:
        return "asyncio"
