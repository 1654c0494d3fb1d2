"""Mails that invite to a group."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from core.mail_messages import message_line
from core.queries.invitations import sent_invitation
from core.queries.letters import Letter, Links, until

INVITATION_PURPOSE = "group-invitation"
"""Of `derive_token`, whose parts are the ids of the group and the invitation, and the number of the issue."""


def invitation_letter(session: Session, payload: Mapping[str, Any], *, links: Links) -> Letter | None:
    """`group_id`, `invitation_id`, `issue`: the token with which the invitation can be accepted.

    None when it has been answered, revoked or sent anew since, or has expired.
    """
    group_id, invitation_id = UUID(payload["group_id"]), UUID(payload["invitation_id"])
    found = sent_invitation(session, group_id=group_id, invitation_id=invitation_id)
    if found is None or str(found.invitation.issue) != payload["issue"]:
        return None
    invitation = found.invitation
    token = links.token(INVITATION_PURPOSE, str(group_id), str(invitation_id), payload["issue"])
    accept = links.call(f"/v1/invitations/{token}/accept", needs_login=True)
    by_whom = (
        "with the account of this address; if you have none yet, register with it first"
        if invitation.acceptable_by == "address"
        else "with any account, so keep this mail to yourself"
    )
    # Names are what others have written: they stand in quotes, and never in the subject's place of a sender.
    return Letter(
        invitation.email,
        "Invitation to a group in Outlay",
        f"""Hello,

"{message_line(found.invited_by)}" invites you to share expenses in the group
"{message_line(found.group_name)}" of Outlay at {links.public_url}.

This code accepts the invitation, {by_whom}:

    {token}

Enter it where your app asks for it, or send it yourself:

    {accept}

It works once, until {until(invitation.expires_at)}.
If you do not want to join, leave it: without the code nothing happens.
""",
    )
