"""The HTTP API."""

import sys

# Where spectree finds offapi it loads three documentation pages, 37 MB of them. `/docs` serves one of them
# from offapi's files instead.
sys.modules.setdefault("offapi", None)  # type: ignore[arg-type]
