"""What every refusal has in common."""

from __future__ import annotations

import httpx


def problem(response: httpx.Response, status: int, code: str) -> dict[str, object]:
    """The problem details of a response, checked for what all of them have."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, object] = response.json()
    assert (body["status"], body["code"], body["type"]) == (status, code, f"urn:obelisk:problem:{code}")
    assert body["title"]
    assert body["detail"]
    return body
