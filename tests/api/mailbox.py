"""The mails that the API asks for, sent by a worker's code into a folder of the test's own."""

import re
from email.message import EmailMessage
from pathlib import Path

from core.mail_tokens import TOKEN_CHARACTERS
from tests.mail_server import mails_in, text_of
from workers.runtime import Runtime
from workers.tasks.mails import send_mails


def mails_to(worker: Runtime, folder: Path, address: str) -> list[EmailMessage]:
    """What has been sent there, after all that waited."""
    send_mails(worker)
    return [mail for mail in mails_in(folder) if mail["To"] == address]


def code_in(mail: EmailMessage) -> str:
    """As a person finds it: on a line of its own."""
    [code] = re.findall(rf"^ +(\S{{{TOKEN_CHARACTERS}}})$", text_of(mail), re.MULTILINE)
    return str(code)
