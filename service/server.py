"""The application as a server, in the foreground or for as long as a few questions take."""

import socket
import threading
from collections.abc import Callable
from typing import TypeVar

import uvicorn
from fastapi import FastAPI

from service.errors import BadSettings

Answer = TypeVar("Answer")


def check_address(host: str, port: int) -> None:
    """Before anything long is begun. Raises BadSettings."""
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        raise BadSettings(f"{host}, port {port}, cannot be served: {error.strerror}; say another --port") from error


def run(app: FastAPI, *, host: str, port: int) -> None:
    """Serve until Ctrl-C."""
    uvicorn.Server(_config(app, host=host, port=port)).run()


def run_while(app: FastAPI, ask: Callable[[str], Answer], *, host: str) -> Answer:
    """Serve on a free port while `ask` talks to the address, then stop."""
    with socket.create_server((host, 0)) as listening:
        server = uvicorn.Server(_config(app, host=host, port=0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="server")
        thread.start()
        try:
            return ask(f"http://{host}:{listening.getsockname()[1]}")
        finally:
            server.should_exit = True
            thread.join()


def _config(app: FastAPI, *, host: str, port: int) -> uvicorn.Config:
    return uvicorn.Config(app, host=host, port=port, log_config=None, timeout_graceful_shutdown=10)
