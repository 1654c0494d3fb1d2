"""Go through the configuration and say in plain words what is wrong with it, and what to do."""

import argparse
import os

from core.commands.findings.examination import examine
from core.commands.findings.finding import Finding, Level

WIDTH = max(map(len, Level))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quiet", action="store_true", help="only what is not as it should be")


def run(arguments: argparse.Namespace) -> int:
    """Answers 1 if there is a problem; warnings are for whoever reads them."""
    counts = dict.fromkeys(Level, 0)
    for finding in examine(os.environ):
        counts[finding.level] += 1
        if finding.level is not Level.OK or not arguments.quiet:
            print("\n".join(_lines(finding)), flush=True)
    print(
        f"Problems: {counts[Level.PROBLEM]}, warnings: {counts[Level.WARNING]}, "
        f"as it should be: {counts[Level.OK]}"
    )
    return 1 if counts[Level.PROBLEM] else 0


def _lines(finding: Finding) -> list[str]:
    lines = [f"{finding.level:<{WIDTH}}  {finding.about}: {finding.detail}"]
    if finding.advice:
        lines.append(f"{'':<{WIDTH}}  → {finding.advice}")
    return lines
