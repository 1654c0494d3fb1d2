from functools import partial

from celery import shared_task

from core.database import Database
from core.job_names import SEND_MAIL
from core.mail_messages import MailRefused
from core.mailer import MailBroken, MailDeferred, Mailer, MailUnavailable, new_mailer
from core.queries.letters import Links
from core.queries.mails import compose_mail
from core.services.outbox import ClaimedRow
from workers.leased import DONE, Fate, Outcome, work_off
from workers.process import current_runtime
from workers.runtime import Runtime


def send_mail(database: Database, mailer: Mailer, links: Links, row: ClaimedRow) -> Outcome:
    """Write the mail that a row asks for with what is true by now, and send it unless it has become moot."""
    with database.reading() as session:
        mail = compose_mail(session, row.payload, links=links)
    if mail is None:
        return DONE
    try:
        mailer.send(mail)
    except MailRefused as error:
        return Outcome(Fate.NEVER, error.detail)
    except MailDeferred as error:
        return Outcome(Fate.LATER, error.detail)
    except MailBroken as error:
        return Outcome(Fate.BROKEN, error.detail)
    except MailUnavailable as error:
        return Outcome(Fate.AWAY, error.detail)
    return DONE


def send_mails(runtime: Runtime) -> int:
    """Send what waits; answers how many mails are settled."""
    settings = runtime.settings
    mailer = new_mailer(settings.mail, settings.mail_from)
    links = Links(settings.public_url, settings.secret)
    return work_off(runtime, SEND_MAIL, partial(send_mail, runtime.database, mailer, links))


@shared_task(name=SEND_MAIL)
def send_mail_task() -> None:
    send_mails(current_runtime())
