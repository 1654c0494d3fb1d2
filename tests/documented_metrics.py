"""What `docs/operations/metrics.md` says of each metric."""

import re
from pathlib import Path

OPERATIONS = Path(__file__).parents[1] / "docs" / "operations"


def documented_labels() -> dict[str, set[str]]:
    """By metric."""
    rows = re.findall(
        r"^\| `(outlay_\w+)` \| ([^|]*)\|", (OPERATIONS / "metrics.md").read_text(), re.MULTILINE
    )
    return {metric: set(re.findall(r"`(\w+)`", labels)) for metric, labels in rows}
