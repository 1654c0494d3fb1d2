"""Which part may know which library."""

OUTSIDERS = {
    "falcon": {"api"},
    "spectree": {"api"},
    "uvicorn": {"api"},
    "celery": {"workers", "core.broker"},
    "kombu": {"core.broker", "core.wakeups"},
    "websockets": {"ws_gateway", "core.commands"},
    "bcrypt": {"core.security"},
    "limits": {"core.throttling"},
    "jwt": {"core.security"},
    "opentelemetry": {"core.tracing"},
    "concurrent_log_handler": {"core.logging"},
    "prometheus_client": {"api", "workers.measures", "ws_gateway.measures", "core.metrics"},
    "psycopg": {"core.database", "core.many_rows", "core.backup.postgres"},
    "aiohttp": {"core.outgoing"},
    "apprise": {"core.outgoing"},
    "requests": {"core.outgoing", "core.oidc", "core.oidc_metadata"},
    "standardwebhooks": {"core.outgoing"},
    "authlib": {"core.oidc"},
    "joserfc": {"core.oidc", "core.oidc_metadata"},
    "pyotp": {"core.services.second_factors"},
    "webauthn": {"core.services.passkeys"},
    "zxcvbn": {"core.passwords"},
    "vl_convert": {"core.charts.rendering"},
    "jinja2": {"core.mails"},
    "charset_normalizer": {"core.statements.encodings"},
    # Its parser can take the process with it, which these modules prevent.
    "ijson": {"core.archive.parsing", "core.statements.json_items"},
}
"""Libraries that only these parts may know, so that each can be replaced in one place."""
