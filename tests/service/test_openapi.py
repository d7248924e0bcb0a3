"""The schema tells the truth: what it allows is answered as it says, and never with a server error."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

CHECKS = [not_a_server_error, response_schema_conformance, content_type_conformance]
FEW = settings(max_examples=8, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
OPERATIONS = [
    ("POST", "/v1/search"),
    ("POST", "/v1/search:batch"),
    ("POST", "/v1/index"),
    ("GET", "/v1/jobs/{job}"),
    ("POST", "/v1/jobs/{job}:cancel"),
    ("GET", "/v1/jobs/{job}/items"),
    ("GET", "/v1/images/{image_id}"),
    ("GET", "/v1/images/{image_id}/thumbnail"),
    ("DELETE", "/v1/images/{image_id}"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
]


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_what_the_schema_allows_is_answered_as_it_says(client, method, path):
    operation = schemathesis.openapi.from_asgi("/openapi.json", client.app)[path][method]

    @FEW
    @given(case=operation.as_strategy())
    def check(case: schemathesis.Case) -> None:
        case.call_and_validate(checks=CHECKS)

    check()


def test_the_schema_names_every_operation(client):
    paths = client.get("/openapi.json").json()["paths"]
    assert {(method.upper(), path) for path, operations in paths.items() for method in operations} == set(OPERATIONS)
