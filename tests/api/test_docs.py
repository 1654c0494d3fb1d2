"""The documentation of the API: a page that needs nothing from elsewhere, for everybody."""

import re

import httpx
import pytest

from api.resources.documentation import ASSETS


def test_the_page_loads_only_what_this_server_has(client: httpx.Client) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert sorted(loaded) == sorted(["data:,", "/docs/start.js", *(f"/docs/{name}" for name in ASSETS)])
    assert re.findall(r"https?://", page.text) == []


@pytest.mark.parametrize("name", ASSETS)
def test_each_asset_has_its_type(client: httpx.Client, name: str) -> None:
    asset = client.get(f"/docs/{name}")
    assert asset.status_code == 200
    expected = "text/css" if name.endswith(".css") else "text/javascript"
    assert asset.headers["Content-Type"].partition(";")[0] == expected
    assert len(asset.content) > 1_000


@pytest.mark.parametrize("name", ["other.js", "..", "%2e%2e%2fpyproject.toml", "swagger-ui.css.map"])
def test_no_other_file_is_served(client: httpx.Client, name: str) -> None:
    answer = client.get(f"/docs/{name}")
    assert answer.status_code == 404


def test_the_document_is_the_one_that_the_page_shows(client: httpx.Client) -> None:
    start = client.get("/docs/start.js")
    assert start.headers["Content-Type"].partition(";")[0] == "text/javascript"
    assert 'url: "/openapi.json"' in start.text
    assert "persistAuthorization: false" in start.text, "or the next one at this browser has the token"
    document = client.get("/openapi.json")
    assert document.status_code == 200
    assert document.headers["Content-Type"] == "application/json"
    assert document.json()["openapi"].startswith("3.1")
