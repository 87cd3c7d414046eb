"""The OpenAPI description of the JSON API, with how one signs in and what errors look like."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts

ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
            "additionalProperties": True,
        }
    },
}
SCHEMES = {
    "key": {"type": "http", "scheme": "bearer", "description": "A read key: polku keys create SHOP --read"},
    "session": {"type": "apiKey", "in": "cookie", "name": "polku_session", "description": "Of who has signed in"},
}
#: What every operation may answer besides its own.
ANSWERS = {
    "400": "An option does not fit.",
    "401": "Nobody is signed in, and there is no key.",
    "403": "The role is not enough.",
    "404": "There is no such thing.",
    "429": "Too many requests; Retry-After says when to come again.",
    "500": "The map has faults, or something went wrong.",
    "503": "The project is busy or not ready.",
}


def routes_of(app: FastAPI) -> list[APIRoute]:
    """Every route of the application, those of its routers too."""
    found = (context.original_route for context in iter_route_contexts(app.routes))
    return [route for route in found if isinstance(route, APIRoute)]


def describe(app: FastAPI) -> dict[str, Any]:
    """The description, made once: ``app.openapi`` is replaced by this."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        components = made.setdefault("components", {})
        components["securitySchemes"] = SCHEMES
        components.setdefault("schemas", {})["Error"] = ERROR
        problem = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
        marks = {
            (route.path_format, method.lower()): getattr(route.endpoint, "__permission__", "own")
            for route in routes_of(app)
            for method in route.methods or ()
        }
        for path, operations in made["paths"].items():
            for method, operation in operations.items():
                is_open = marks.get((path, method)) == "open"
                operation["security"] = [] if is_open else [{"key": []}, {"session": []}]
                answers = operation["responses"]
                answers.pop("422", None)  # told as 400
                for status, means in ANSWERS.items():
                    if not (is_open and status in ("401", "403")):
                        answers[status] = {"description": means, "content": problem}
        schemas = components["schemas"]
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        app.openapi_schema = made
    return app.openapi_schema
