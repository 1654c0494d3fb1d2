from typing import Annotated, Any
from uuid import UUID

from falcon.asgi import Request, Response
from msgspec import Meta
from sqlalchemy.orm import Session

from api.answers import Answer, created, expected_versions, no_content, ok
from api.collaborators import Collaborators
from api.openapi import endpoint
from api.pagination import cut_page, decode_cursor
from api.problems import InvalidParameter
from api.schemas.categories import (
    CategoryDeletion,
    CategoryIn,
    CategoryOut,
    CategoryPage,
    CategoryPatch,
    CategoryQuery,
)
from api.schemas.common import TEXT
from core.errors import FieldError, InvalidInput
from core.queries.categories import list_categories, load_category
from core.services import categories

TAG = "Categories"

POSITION: Any = tuple[Annotated[str, Meta(max_length=categories.MAX_NAME_KEY_CHARACTERS, pattern=TEXT)], UUID]


class Categories:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, query=CategoryQuery, answers={200: CategoryPage})
    async def on_get(self, req: Request, resp: Response) -> None:
        """List the categories by name."""
        query: CategoryQuery = req.context.query
        user_id = req.context.principal.user_id
        after = decode_cursor(query.cursor, POSITION)

        def page(session: Session) -> Answer:
            found = list_categories(
                session, user_id=user_id, parent_id=query.parent_id, after=after, limit=query.limit + 1
            )
            shown, cursor = cut_page(found, limit=query.limit, position=lambda one: (one.name_key, one.id))
            return ok(CategoryPage([CategoryOut.of(category) for category in shown], cursor))

        (await self._transactions.read(page)).send(resp)

    @endpoint(TAG, json=CategoryIn, answers={201: CategoryOut})
    async def on_post(self, req: Request, resp: Response) -> None:
        """Create a category."""
        user_id = req.context.principal.user_id
        new = req.context.json.to_new_category()

        def create(session: Session) -> Answer:
            category = categories.create_category(session, user_id=user_id, category=new)
            location = f"/v1/categories/{category.id}"
            return created(CategoryOut.of(category), location=location, version=category.version)

        (await self._transactions.post(req, user_id, create)).send(resp)


class OneCategory:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, answers={200: CategoryOut})
    async def on_get(self, req: Request, resp: Response, category_id: UUID) -> None:
        """Read a category."""
        user_id = req.context.principal.user_id
        category = await self._transactions.read(
            lambda session: load_category(session, user_id=user_id, category_id=category_id)
        )
        ok(CategoryOut.of(category), version=category.version).send(resp)

    @endpoint(TAG, json=CategoryPatch, answers={200: CategoryOut})
    async def on_patch(self, req: Request, resp: Response, category_id: UUID) -> None:
        """Change a category."""
        user_id = req.context.principal.user_id
        changes = req.context.json.to_changes()
        category = await self._transactions.write(
            lambda session: categories.change_category(
                session,
                user_id=user_id,
                category_id=category_id,
                changes=changes,
                expected_versions=expected_versions(req),
            )
        )
        ok(CategoryOut.of(category), version=category.version).send(resp)

    @endpoint(TAG, query=CategoryDeletion, answers={204: None})
    async def on_delete(self, req: Request, resp: Response, category_id: UUID) -> None:
        """Delete a category; when something uses it, `move_to` says where that goes."""
        user_id = req.context.principal.user_id
        move_to = req.context.query.move_to

        def delete(session: Session) -> None:
            categories.delete_category(
                session,
                user_id=user_id,
                category_id=category_id,
                move_to=move_to,
                expected_versions=expected_versions(req),
            )

        try:
            await self._transactions.write(delete)
        except InvalidInput as error:
            fields = (FieldError(field.pointer.lstrip("/"), field.detail) for field in error.fields)
            raise InvalidParameter(*fields) from error
        no_content().send(resp)
