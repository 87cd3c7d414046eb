"""The API against its own OpenAPI description: schemathesis makes requests up, right and wrong ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from polku.web.app import create_app
from polku.web.description import SCHEMES
from polku.web.guard import HEADER

from . import world
from .inprocess import Client, loop_in_a_thread

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Of a shop of its own: some operations write."""
    with world.make(tmp_path_factory.mktemp("described") / "shop") as shop, loop_in_a_thread() as loop:
        app = create_app(shop)
        found = Client(app, loop)
        found.headers.update({"Origin": "http://testserver", HEADER: app.state.token})
        yield found
        found.close()


DESCRIBED: dict[str, Any] = create_app(answers=cast(Any, object())).openapi()
OPERATIONS = [found.ok() for found in schemathesis.openapi.from_dict(DESCRIBED).get_all_operations()]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: o.label)
def test_every_answer_is_as_described(operation: Any, client: Client) -> None:
    right = operation.as_strategy()
    has_parameters = bool(DESCRIBED["paths"][operation.path][operation.method].get("parameters"))
    wrong = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE) if has_parameters else right

    @given(right, wrong)
    @settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def hold(good: schemathesis.Case, bad: schemathesis.Case) -> None:
        for case in (good, bad):
            wanted = case.as_transport_kwargs(base_url="http://testserver")
            headers = {name: str(value) for name, value in (wanted.get("headers") or {}).items()}
            body = {"json": wanted["json"]} if "json" in wanted else {"content": wanted.get("data")}
            answer = client.request(
                wanted["method"], wanted["url"], params=wanted.get("params"), headers=headers, **body
            )
            case.validate_response(Response.from_any(answer), checks=CHECKS)

    hold()


@pytest.mark.parametrize("path", sorted(path for path, found in DESCRIBED["paths"].items() if "post" in found))
@pytest.mark.parametrize(
    "body",
    [b"", b"\0", b"[]", b"null", b"\xff\xfe", b'{"x":' + b"[" * 90_000, b'{"points": NaN}', b'{"points": 1e999}',
     b'{"points": ' + b"9" * 9_000 + b"}", b'{"source": "\\ud800"}', b"x" * 300_000],
    ids=lambda body: repr(body[:12]),
)  # fmt: skip
def test_bodies_that_are_none(client: Client, path: str, body: bytes) -> None:
    answer = client.post(path.format(customer="anna"), content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 403), answer.text[:500]
    assert answer.json()["error"]["message"]


def test_the_description_is_complete(client: Client) -> None:
    described = client.get("/api/openapi.json").json()
    assert described == DESCRIBED
    assert described["components"]["securitySchemes"] == SCHEMES
    assert set(described["paths"]) >= {"/api/map", "/api/customers", "/api/customers/{key}", "/api/measures/{name}"}
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            assert operation["description"], where
            assert "security" in operation, where
            assert "422" not in operation["responses"], where
            assert {"400", "500", "503"} <= set(operation["responses"]), where
            for parameter in operation.get("parameters", []):
                assert parameter["description"], f"{where}: {parameter['name']}"
    assert described["paths"]["/health"]["get"]["security"] == []
