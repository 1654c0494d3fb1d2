"""What every process does as it starts."""

from core.config import Settings
from core.logging import configure_logging


def start_logging(settings: Settings, *, process: str) -> None:
    """Log as the settings say; `process` is the role, such as api or worker."""
    configure_logging(
        process=process,
        level=settings.log_level,
        log_format=settings.line_format,
        folder=settings.log_folder,
    )
