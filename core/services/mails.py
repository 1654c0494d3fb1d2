"""Asking for mails: they are written and sent by a job, never in a request."""

from uuid import UUID

from sqlalchemy.orm import Session

from core.ids import new_id
from core.job_names import SEND_MAIL
from core.queries.mails import TEMPLATES
from core.services.outbox import Job, stage_jobs


def stage_mail(session: Session, *, key: str, template: str, **ids: UUID | str) -> None:
    """Have a mail sent once this transaction has committed.

    Args:
        key: whom or what it is about. Under the id of a user it is dropped when the account is deleted.
        template: one of `TEMPLATES`.
        ids: what the template needs to find what it writes of.
    """
    if template not in TEMPLATES:
        raise ValueError(f"there is no template {template}")
    payload = {
        **{name: str(value) for name, value in ids.items()},
        "template": template,
        "mail_id": str(new_id()),
    }
    stage_jobs(session, [Job(SEND_MAIL, key, payload)])
