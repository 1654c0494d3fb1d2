"""What can be wrong with a backup, in words for whoever runs the command."""

from core.errors import OutlayError


class BackupError(OutlayError):
    """It cannot be made, read or put back."""


class DamagedBackup(BackupError):
    """It is not what was written: cut off, changed, or never complete."""
