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

from polku.record.project import Project
from polku.web.app import create_app
from polku.web.description import SCHEMES

from .inprocess import Client, loop_in_a_thread

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def client(shop: Project) -> Iterator[Client]:
    with loop_in_a_thread() as loop:
        found = Client(create_app(shop), loop)
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
            answer = client.request(wanted["method"], wanted["url"], params=wanted.get("params"), headers=headers)
            case.validate_response(Response.from_any(answer), checks=CHECKS)

    hold()


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
