"""Ask a server of ours whether it is well."""

import argparse
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

TIMEOUT_S = 3.0
"""`/healthz` touches nothing outside its process; one that takes longer than this is not well."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", help="such as http://127.0.0.1:8000/healthz")


def run(arguments: argparse.Namespace) -> int:
    return 0 if is_healthy(arguments.url) else 1


def is_healthy(url: str) -> bool:
    """Whether a GET of the URL answers 200. Asked directly, whatever proxy the environment names."""
    address = urlsplit(url)
    connection = HTTPConnection(address.hostname or "", address.port or 80, timeout=TIMEOUT_S)
    try:
        connection.request("GET", address.path or "/")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
