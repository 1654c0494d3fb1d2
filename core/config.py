"""Settings of every process, read from `OUTLAY_*` environment variables, each with a working default."""

import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from core import clock
from core.errors import ConfigurationError
from core.mailer import new_mailer
from core.oidc_settings import Provider, parse_providers

ENVIRONMENT_PREFIX = "OUTLAY_"

DEVELOPMENT_SECRET = "outlay-development-secret-never-use-in-production"  # noqa: S105 - refused in production
MIN_SECRET_BYTES = 32
"""HS256 needs a key at least as long as its digest (RFC 7518, section 3.2)."""

MIN_PRODUCTION_BCRYPT_COST = 12
"""About a quarter of a second a guess on a current core (OWASP asks for at least 10)."""

MAX_PRODUCTION_LIMIT_FACTOR = 20
"""A hundred wrong passwords in a row; more is no limit any more."""

MIN_PROXY_BITS = {4: 8, 6: 7}
"""Of a trusted network: 10.0.0.0/8 and fc00::/7 are the largest private ones; 0.0.0.0/0 is everybody."""

MAX_CLOCK_OFFSET_S = 10 * 366 * 86_400
"""Ten years either way: enough for every schedule, and far from where dates or UUIDs end."""

ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?")
"""As browsers write it: in small letters, without a path. Never "*" or "null", which anybody can be."""

Port = Annotated[int, Meta(ge=1, le=65535)]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One field a variable: `api_port` is `OUTLAY_API_PORT`. `.env.example` lists them all."""

    environment: Literal["development", "production"] = "development"
    secret: str = DEVELOPMENT_SECRET
    clock_offset_s: Annotated[int, Meta(ge=-MAX_CLOCK_OFFSET_S, le=MAX_CLOCK_OFFSET_S)] = 0
    data_dir: str = "./var"
    files_dir: str = ""
    database_url: str = ""
    backup_dir: str = ""
    backup_key: str = ""
    backup_nightly: Literal["off", "on"] = "off"
    backup_keep: Annotated[int, Meta(ge=1)] = 7
    master_key: str = ""
    redis_url: str = ""
    redis_prefix: Annotated[str, Meta(min_length=1)] = "outlay"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["", "json", "console"] = ""
    log_dir: str = ""
    otel_url: Annotated[str, Meta(pattern=r"^$|^https?://[^\s/?#]+\S*$")] = ""

    api_host: str = "127.0.0.1"
    api_port: Port = 8000
    api_processes: Annotated[int, Meta(ge=1, le=64)] = 1
    api_threads: Annotated[int, Meta(ge=1, le=100)] = 8
    bcrypt_cost: Annotated[int, Meta(ge=4, le=16)] = 12

    requests_per_minute: Annotated[int, Meta(ge=60)] = 3_000
    limit_factor: Annotated[int, Meta(ge=1, le=1_000)] = 1
    trusted_proxies: str = "127.0.0.1,::1"
    cors_origins: str = ""

    ws_host: str = "127.0.0.1"
    ws_port: Port = 8001
    ws_max_connections: Annotated[int, Meta(ge=1)] = 10_000
    ws_max_connections_per_user: Annotated[int, Meta(ge=1)] = 20
    ws_allowed_origins: str = "http://localhost:8000,http://127.0.0.1:8000"

    worker_processes: Annotated[int, Meta(ge=1, le=64)] = 2
    builder_processes: Annotated[int, Meta(ge=1, le=64)] = 1
    courier_processes: Annotated[int, Meta(ge=1, le=64)] = 1

    metrics_host: str = "127.0.0.1"
    metrics_port: Annotated[int, Meta(ge=0, le=65_532)] = 0

    private_targets: Literal["refuse", "allow"] = "refuse"
    push_schemes: str = (
        "discord,gotify,gotifys,matrix,matrixs,mmost,mmosts,ntfy,ntfys,pbul,pover,rocket,rockets,signal,"
        "signals,slack,tgram"
    )

    mail_url: str = ""
    mail_from: str = "Outlay <outlay@localhost>"
    public_url: Annotated[str, Meta(pattern=r"^https?://[^\s/?#]+[^\s?#]*$")] = "http://127.0.0.1:8000"

    oidc_providers: str = ""

    passkey_domain: str = ""
    passkey_origins: str = ""

    rates_url: Annotated[str, Meta(pattern=r"^(off|https?://[^\s/?#]+\S*)$")] = (
        "https://www.ecb.europa.eu/stats/eurofxref/eurofxref-hist-90d.xml"
    )

    @property
    def database(self) -> str:
        """SQLAlchemy URL; without `OUTLAY_DATABASE_URL` it is SQLite in the data folder."""
        return self.database_url or f"sqlite:///{Path(self.data_dir).resolve() / 'outlay.db'}"

    @property
    def files(self) -> Path:
        """The folder of uploaded and built files; without `OUTLAY_FILES_DIR` it is in the data folder."""
        return Path(self.files_dir or Path(self.data_dir) / "files").resolve()

    @property
    def backups(self) -> Path:
        """The folder of backups; without `OUTLAY_BACKUP_DIR` it is in the data folder."""
        return Path(self.backup_dir or Path(self.data_dir) / "backups").resolve()

    @property
    def redis(self) -> str:
        """Redis URL; `make run` sets it to its own server when `OUTLAY_REDIS_URL` is empty."""
        return self.redis_url or "redis://127.0.0.1:6379/0"

    @property
    def mail(self) -> str:
        """Where mails go; without `OUTLAY_MAIL_URL` it is a folder in the data folder."""
        return self.mail_url or (Path(self.data_dir).resolve() / "mail").as_uri()

    @property
    def line_format(self) -> Literal["json", "console"]:
        """Of the logs on stdout: for people in development and for programs in production."""
        return self.log_format or ("json" if self.is_production else "console")

    @property
    def log_folder(self) -> Path | None:
        return Path(self.log_dir).resolve() if self.log_dir else None

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        """Of web pages that may open a WebSocket."""
        return _listed(self.ws_allowed_origins)

    @property
    def providers(self) -> tuple[Provider, ...]:
        """The OpenID providers that people may log in by."""
        return parse_providers(self.oidc_providers)

    @property
    def allowed_cors_origins(self) -> tuple[str, ...]:
        """Of web pages that may call the API."""
        return _listed(self.cors_origins)

    @property
    def proxies(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The networks whose `X-Forwarded-For` is believed.

        Raises:
            ValueError: one is none; or "*" or so large that anybody could write where they come from.
        """
        return tuple(_proxy_network(one) for one in _listed(self.trusted_proxies))

    @property
    def passkey_site(self) -> str:
        """The domain whose passkeys they are; by default that of the public URL."""
        return self.passkey_domain or (urlsplit(self.public_url).hostname or "localhost")

    @property
    def web_origins(self) -> tuple[str, ...]:
        """Of web pages and apps that may ask for passkeys; by default that of the public URL alone."""
        url = urlsplit(self.public_url)
        return _listed(self.passkey_origins) or (f"{url.scheme}://{url.netloc}",)

    @property
    def allowed_push_schemes(self) -> frozenset[str]:
        """The services of apprise that users may have notifications sent to."""
        return frozenset(scheme.lower() for scheme in _listed(self.push_schemes))

    @property
    def is_production(self) -> bool:
        return self.environment == "production"


def _proxy_network(text: str) -> IPv4Network | IPv6Network:
    network = ip_network(text)
    if network.prefixlen < MIN_PROXY_BITS[network.version]:
        raise ValueError(f"{text} is larger than any network of your own")
    return network


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Settings from an environment; an empty variable counts as unset.

    The process's clock goes by them from here on: no process that reads its settings can forget it.

    Raises:
        ConfigurationError: a value is malformed, or is none for production.
    """
    given = {
        name: environ[ENVIRONMENT_PREFIX + name.upper()]
        for name in Settings.__struct_fields__
        if environ.get(ENVIRONMENT_PREFIX + name.upper())
    }
    try:
        settings = msgspec.convert(given, Settings, strict=False)
    except msgspec.ValidationError as error:
        reason, _, field = str(error).partition(" - at `$.")
        raise ConfigurationError(f"{ENVIRONMENT_PREFIX}{field.rstrip('`').upper()}: {reason}") from error
    _check_secret(settings)
    if settings.backup_key and len(settings.backup_key.encode()) < MIN_SECRET_BYTES:
        raise ConfigurationError(f"OUTLAY_BACKUP_KEY: needs at least {MIN_SECRET_BYTES} bytes")
    _check_lists(settings)
    if settings.master_key and len(settings.master_key.encode()) < MIN_SECRET_BYTES:
        raise ConfigurationError(f"OUTLAY_MASTER_KEY: needs at least {MIN_SECRET_BYTES} bytes")
    new_mailer(settings.mail, settings.mail_from)  # refuses what is malformed
    parse_providers(settings.oidc_providers)  # likewise
    if settings.is_production and settings.bcrypt_cost < MIN_PRODUCTION_BCRYPT_COST:
        raise ConfigurationError(
            f"OUTLAY_BCRYPT_COST: production needs at least {MIN_PRODUCTION_BCRYPT_COST}"
        )
    if settings.is_production and settings.limit_factor > MAX_PRODUCTION_LIMIT_FACTOR:
        raise ConfigurationError(f"OUTLAY_LIMIT_FACTOR: production has at most {MAX_PRODUCTION_LIMIT_FACTOR}")
    if settings.is_production and settings.clock_offset_s:
        raise ConfigurationError("OUTLAY_CLOCK_OFFSET_S: production goes by the real time")
    clock.shift(seconds=settings.clock_offset_s)
    return settings


def _check_secret(settings: Settings) -> None:
    if len(settings.secret.encode()) < MIN_SECRET_BYTES:
        raise ConfigurationError(f"OUTLAY_SECRET: needs at least {MIN_SECRET_BYTES} bytes")
    if settings.is_production and settings.secret == DEVELOPMENT_SECRET:
        raise ConfigurationError("OUTLAY_SECRET: production needs a secret of its own; none is set")


def _check_lists(settings: Settings) -> None:
    try:
        _ = settings.proxies
    except ValueError as error:
        raise ConfigurationError(f"OUTLAY_TRUSTED_PROXIES: {error}") from error
    wrong = [origin for origin in settings.allowed_cors_origins if not ORIGIN.fullmatch(origin)]
    if wrong:
        raise ConfigurationError(f"OUTLAY_CORS_ORIGINS: {wrong[0]} is no origin like https://app.example")
