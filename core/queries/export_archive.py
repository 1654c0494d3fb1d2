"""All that is a user's own as one JSON document, an archive: see `core/archive`."""

from sqlalchemy import func, select

from core import clock
from core.archive.records import PART_BYTES
from core.archive.writing import write_archive
from core.queries.archives import ALERTS, ATTACHMENTS, NOTIFICATIONS, archive_records, load_profile
from core.queries.expenses import EXPENSES
from core.queries.export_rows import Building


def build_archive(building: Building) -> int:
    """Write the archive; answers how many records are in it."""
    user_id, count = building.user_id, 0
    user = load_profile(building.rows, user_id=user_id)
    records = archive_records(building.rows, user_id=user_id, files=building.files)
    total = _expected(building)
    for count in write_archive(building.write, exported_at=clock.now(), user=user, sections=records):
        building.tell(count, max(count, total))
    return count


def _expected(building: Building) -> int:
    """About how many records there will be: of all else there are few."""
    counts = (
        select(func.count()).where(table.c.user_id == building.user_id)
        for table in (EXPENSES, ALERTS, NOTIFICATIONS)
    )
    size = select(func.coalesce(func.sum(ATTACHMENTS.c.size), 0))
    parts = building.rows.execute(size.where(ATTACHMENTS.c.user_id == building.user_id)).scalar_one()
    return sum(building.rows.execute(count).scalar_one() for count in counts) + int(parts) // PART_BYTES
