"""`.env.example` tells of every setting, and a copy of it changes none."""

import re
from pathlib import Path

import msgspec

from core.config import ENVIRONMENT_PREFIX, Settings

EXAMPLE = Path(__file__).parents[1] / ".env.example"

COMPOSE_ONLY = {"POSTGRES_PASSWORD", "MAIL_UI_PORT"}
"""No settings of the processes: read by docker-compose.yml."""


def variables(pattern: str) -> dict[str, str]:
    return dict(re.findall(pattern, EXAMPLE.read_text(), re.MULTILINE))


def test_every_setting_is_listed_with_its_default() -> None:
    # Quotes keep a shell, which may read a copy, from taking < for more than a letter.
    listed = {name: value.strip('"') for name, value in variables(r"^(?:# )?([A-Z_]+)=(.*)$").items()}
    defaults = {
        ENVIRONMENT_PREFIX + field.name.upper(): str(field.default)
        for field in msgspec.structs.fields(Settings)
    }
    # The development secret is in the source for all to see: nobody is led to write it into a file.
    defaults["OUTLAY_SECRET"] = ""
    assert {name: value for name, value in listed.items() if name not in COMPOSE_ONLY} == defaults
    assert listed.keys() >= COMPOSE_ONLY


def test_a_copy_sets_only_what_must_be_set() -> None:
    assert variables(r"^([A-Z_]+)=(.*)$") == {"OUTLAY_SECRET": "", "POSTGRES_PASSWORD": ""}
