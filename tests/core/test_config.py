"""The environment as settings: what it says counts, and what it cannot mean is refused by name."""

import re
from pathlib import Path

import pytest

from core.config import DEVELOPMENT_SECRET, MIN_SECRET_BYTES, Settings, load_settings
from core.errors import ConfigurationError
from core.mailer import FolderMailer, new_mailer

SECRET = "s" * MIN_SECRET_BYTES
PRODUCTION = {"OUTLAY_ENVIRONMENT": "production", "OUTLAY_SECRET": SECRET}


def refusal(environ: dict[str, str]) -> str:
    with pytest.raises(ConfigurationError) as refused:
        load_settings(environ)
    return refused.value.detail


def test_an_empty_environment_gives_the_defaults() -> None:
    assert load_settings({}) == Settings()


def test_an_empty_variable_counts_as_unset() -> None:
    names = [f"OUTLAY_{name.upper()}" for name in Settings.__struct_fields__]
    assert load_settings(dict.fromkeys(names, "")) == Settings()


def test_each_variable_sets_its_field() -> None:
    environ = {"OUTLAY_API_PORT": "8080", "OUTLAY_DATA_DIR": "/srv/data", "OUTLAY_LOG_LEVEL": "DEBUG"}
    assert load_settings(environ) == Settings(api_port=8080, data_dir="/srv/data", log_level="DEBUG")


def test_variables_of_others_are_left_alone() -> None:
    environ = {"PATH": "/bin", "API_PORT": "x", "OUTLAY_API_PORTS": "x", "OUTLAY_TEST_REDIS_URL": "x"}
    assert load_settings(environ) == Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OUTLAY_API_PORT", "eighty"),
        ("OUTLAY_API_PORT", "0"),
        ("OUTLAY_WS_PORT", "65536"),
        ("OUTLAY_API_THREADS", "1.5"),
        ("OUTLAY_BCRYPT_COST", "3"),
        ("OUTLAY_WORKER_PROCESSES", "-1"),
        ("OUTLAY_ENVIRONMENT", "staging"),
        ("OUTLAY_LOG_LEVEL", "debug"),
        ("OUTLAY_WS_MAX_CONNECTIONS_PER_USER", "many"),
        ("OUTLAY_MAIL_URL", "mail.example.com"),
        ("OUTLAY_MAIL_URL", "http://mail.example.com"),
        ("OUTLAY_MAIL_URL", "smtp://"),
        ("OUTLAY_MAIL_URL", "smtp://mail.example.com:smtp"),
        ("OUTLAY_MAIL_URL", "smtp://mail.example.com:99999"),
        ("OUTLAY_MAIL_URL", "smtp://mail.example.com/folder"),
        ("OUTLAY_MAIL_URL", "smtp://mail.example.com?tls=never"),
        ("OUTLAY_MAIL_URL", "smtp://mail.example.com?tsl=required"),
        ("OUTLAY_MAIL_URL", "smtps://mail.example.com?tls=offered"),
        ("OUTLAY_MAIL_URL", "file://mail"),
        ("OUTLAY_MAIL_FROM", "Outlay"),
        ("OUTLAY_MAIL_FROM", "Outlay <outlay@>"),
        ("OUTLAY_PUBLIC_URL", "outlay.example.com"),
        ("OUTLAY_PUBLIC_URL", "https://outlay.example.com/?a=b"),
    ],
)
def test_a_malformed_value_is_refused_by_the_name_of_its_variable(name: str, value: str) -> None:
    assert re.match(rf"{name}: \S", refusal({name: value}))


@pytest.mark.parametrize("environment", ["development", "production"])
def test_a_short_secret_is_refused_and_not_repeated(environment: str) -> None:
    secret = SECRET[:-1]
    detail = refusal({"OUTLAY_ENVIRONMENT": environment, "OUTLAY_SECRET": secret})
    assert detail == f"OUTLAY_SECRET: needs at least {MIN_SECRET_BYTES} bytes"


def test_the_length_of_a_secret_is_counted_in_bytes() -> None:
    secret = "é" * (MIN_SECRET_BYTES // 2)
    assert load_settings({"OUTLAY_SECRET": secret}).secret == secret


@pytest.mark.parametrize("given", [{}, {"OUTLAY_SECRET": ""}, {"OUTLAY_SECRET": DEVELOPMENT_SECRET}])
def test_production_needs_a_secret_of_its_own(given: dict[str, str]) -> None:
    assert refusal({"OUTLAY_ENVIRONMENT": "production", **given}).startswith("OUTLAY_SECRET: production")


def test_mails_go_into_the_data_folder_unless_it_is_said_where_to(tmp_path: Path) -> None:
    folder = tmp_path / "my data"
    settings = load_settings({"OUTLAY_DATA_DIR": str(folder)})
    mailer = new_mailer(settings.mail, settings.mail_from)
    assert isinstance(mailer, FolderMailer)
    assert mailer.folder == folder / "mail"
    assert load_settings({"OUTLAY_MAIL_URL": "smtp://mail"}).mail == "smtp://mail"


def test_production_needs_a_real_password_hash() -> None:
    assert refusal({**PRODUCTION, "OUTLAY_BCRYPT_COST": "11"}).startswith("OUTLAY_BCRYPT_COST: production")
    assert load_settings({**PRODUCTION, "OUTLAY_BCRYPT_COST": "12"}).bcrypt_cost == 12
    assert load_settings({"OUTLAY_BCRYPT_COST": "4"}).bcrypt_cost == 4


def test_production_runs_with_a_secret_of_its_own() -> None:
    settings = load_settings(PRODUCTION)
    assert settings.is_production
    assert settings.secret == SECRET
