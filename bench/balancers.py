"""nginx and Envoy before gateways of this machine, as the examples in ``etc/`` configure them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.programs import SOURCE, Program, free_port, running

ETC: Final = SOURCE / "etc"
NGINX_EXAMPLE: Final = ETC / "nginx" / "gateways.conf"
ENVOY_EXAMPLE: Final = ETC / "envoy" / "envoy.yaml"
#: The gateways that the examples name.
_NAMES: Final = ("gateway-1", "gateway-2")
_NGINX: Final = """
worker_processes 1;
daemon off;
pid nginx.pid;
error_log stderr warn;
events {{ worker_connections 8192; }}
http {{
    client_body_temp_path body_tmp;
    proxy_temp_path proxy_tmp;
    fastcgi_temp_path fastcgi_tmp;
    uwsgi_temp_path uwsgi_tmp;
    scgi_temp_path scgi_tmp;
{example}
}}
"""


def nginx_frame(example: str) -> str:
    """Return a whole configuration with an example in its ``http`` block."""
    return _NGINX.format(example=example)


def nginx_configuration(port: int, gateways: Sequence[int]) -> str:
    """Return a whole configuration that listens on a port, from the example.

    :param gateways: the ports of two gateways.
    """
    text = NGINX_EXAMPLE.read_text("utf-8")
    text = _replaced(text, "    listen 8080;", f"    listen 127.0.0.1:{port};")
    text = _replaced(text, "/var/log/nginx/antigravity.log", "access.log")
    for name, gateway in zip(_NAMES, gateways, strict=True):
        text = _replaced(text, f"server {name}:8045", f"server 127.0.0.1:{gateway}")
    return nginx_frame(text)


def envoy_configuration(port: int, gateways: Sequence[int]) -> str:
    """Return a configuration that listens on a port, from the example.

    :param gateways: the ports of two gateways.
    """
    text = _replaced(ENVOY_EXAMPLE.read_text("utf-8"), "port_value: 8080", f"port_value: {port}")
    indent = " " * 22
    for name, gateway in zip(_NAMES, gateways, strict=True):
        old = f"address: {name}\n{indent}port_value: 8045"
        text = _replaced(text, old, f"address: 127.0.0.1\n{indent}port_value: {gateway}")
    return text


def _replaced(text: str, old: str, new: str) -> str:
    if old not in text:
        raise ValueError(f"The example has no {old!r}.")
    return text.replace(old, new)


@contextmanager
def nginx(folder: Path, gateways: Sequence[int], program: str = "nginx") -> Iterator[Program]:
    """Run nginx before two gateways; its access log is in ``access.log`` of its folder."""
    port = free_port()
    home = folder / "nginx"
    home.mkdir()
    file = home / "nginx.conf"
    file.write_text(nginx_configuration(port, gateways), "utf-8")
    command = [program, "-p", str(home), "-c", str(file)]
    with running("nginx", command, port, folder, {}) as balancer:
        balancer.wait_listening()
        yield balancer


@contextmanager
def envoy(folder: Path, gateways: Sequence[int], program: str = "envoy") -> Iterator[Program]:
    """Run Envoy before two gateways; its output, with the access log, is in ``envoy.log``."""
    port = free_port()
    file = folder / "envoy.yaml"
    file.write_text(envoy_configuration(port, gateways), "utf-8")
    # Without an id in shared memory, several can run; one thread is enough.
    options = ("--use-dynamic-base-id", "--concurrency", "1", "--log-level", "warning")
    command = [program, "-c", str(file), *options]
    with running("envoy", command, port, folder, {}) as balancer:
        balancer.wait_listening()
        yield balancer
