"""What keeps strangers out: the secrets, and what would let them in."""

from pathlib import Path

from core.commands.findings.finding import Finding, noted, ok, warning
from core.config import DEVELOPMENT_SECRET, Settings

MIN_DIFFERENT_CHARACTERS = 12
"""32 random hexadecimal digits have 14 different ones on average; `aaaa…` and `changeme…` have few."""

NEW_ONE = "set it to the output of: openssl rand -hex 32"


def secret(settings: Settings) -> Finding:
    about = "OUTLAY_SECRET"
    if settings.secret == DEVELOPMENT_SECRET:
        if (Path(settings.data_dir) / "secret").exists():
            return ok(about, "made by `make run`, and kept in the data folder")
        return warning(about, "that of the source, which everybody knows", f"for other people: {NEW_ONE}")
    if len(set(settings.secret)) < MIN_DIFFERENT_CHARACTERS:
        return warning(about, "long enough, but hardly random", NEW_ONE)
    return ok(about, "long enough")


def master_key(settings: Settings) -> Finding:
    about, given = "OUTLAY_MASTER_KEY", settings.master_key
    if not given:
        return ok(about, "nobody administers by it")
    if given in (settings.secret, settings.backup_key) or len(set(given)) < MIN_DIFFERENT_CHARACTERS:
        return warning(about, "used for something else as well, or hardly random", NEW_ONE)
    return noted(about, "whoever has it administers", "take it out once there is an administrator")


def backup_key(settings: Settings) -> Finding:
    about = "OUTLAY_BACKUP_KEY"
    if not settings.backup_key:
        advice = f"before backups leave this machine, {NEW_ONE}"
        return (warning if settings.is_production else noted)(about, "backups are not encrypted", advice)
    if settings.backup_key == settings.secret:
        return warning(about, "the same as OUTLAY_SECRET", NEW_ONE)
    if len(set(settings.backup_key)) < MIN_DIFFERENT_CHARACTERS:
        return warning(about, "long enough, but hardly random", NEW_ONE)
    return ok(about, "backups are encrypted; keep the key somewhere else as well")


def trusted_proxies(settings: Settings) -> Finding:
    about = "OUTLAY_TRUSTED_PROXIES"
    if not settings.proxies:
        return ok(about, "nobody is believed where a request comes from")
    large = [str(one) for one in settings.proxies if not one.is_private and one.num_addresses > 1]
    if large:
        return warning(
            about,
            f"{', '.join(large)}: every machine there can write where it comes from; limits go by that",
            "name your proxies only",
        )
    return ok(about, settings.trusted_proxies)


def private_targets(settings: Settings) -> Finding:
    about = "OUTLAY_PRIVATE_TARGETS"
    if settings.private_targets == "allow" and settings.is_production:
        return warning(
            about,
            "everybody with an account can have this machine talk to others in your network",
            "refuse, unless you trust all of them",
        )
    return ok(about, settings.private_targets)
