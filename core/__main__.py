"""`python -m core COMMAND`: what an operator starts by hand or from the Makefile."""

import argparse
import importlib
import sys

from core.errors import OutlayError

COMMANDS = {
    "run": "run the whole system in the foreground",
    "demo": "play a month of expenses against a running system and show the alerts",
    "migrate": "bring the database's schema up to date",
    "revision": "write a new migration from the models",
    "admin": "make, list, disable, enable or delete administrators",
    "audit": "prove that no event of the audit trails was changed, removed, added or moved",
    "jobs": "show jobs that wait or have failed for good; `jobs retry` tries the latter again",
    "rates": "load exchange rates from a file or an address of the European Central Bank",
    "check": "check that totals, ledgers and numbers are right; exit 0 when they are",
    "restored": "have clients copy everything anew, after a backup of the database was put back",
    "healthcheck": "ask a server's /healthz; exit 0 when it is well",
}
"""Each is a module of `core.commands` with `add_arguments(parser)` and `run(arguments) -> int`."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m core")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary)
        # Only the module that is asked for is imported: the launcher stays alive and must stay small.
        if name in sys.argv[1:2]:
            importlib.import_module(f"core.commands.{name}").add_arguments(command)
    arguments = parser.parse_args()
    module = importlib.import_module(f"core.commands.{arguments.command}")
    try:
        code: int = module.run(arguments)
    except OutlayError as error:
        print(f"outlay: {error.detail}", file=sys.stderr)
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
