from typing import Annotated

import msgspec
from msgspec import Meta

from api.schemas.common import Id, Instant, OnlyPage
from core.models import Attachment


class AttachmentOut(msgspec.Struct):
    """A file of an expense, without its content."""

    id: Id
    name: Annotated[str, Meta(examples=["receipt.pdf"])]
    type: Annotated[str, Meta(description="Found in its content.", examples=["application/pdf"])]
    bytes: Annotated[int, Meta(examples=[48213])]
    sha256: Annotated[
        str, Meta(examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])
    ]
    created_at: Instant

    @classmethod
    def of(cls, attachment: Attachment) -> "AttachmentOut":
        return cls(
            attachment.id,
            attachment.name,
            attachment.media_type,
            attachment.size,
            attachment.sha256,
            attachment.created_at,
        )


class AttachmentList(msgspec.Struct):
    items: list[AttachmentOut]
    next_cursor: OnlyPage = None
