"""Every request has an id, in its answer and in the log."""

import structlog


def test_answers_and_log_lines_carry_the_same_id(client):
    with structlog.testing.capture_logs() as lines:
        responses = [client.get("/healthz"), client.get("/nowhere"), client.post("/search", json={"text": "a dog"})]
    assert [line["request_id"] for line in lines] == [response.headers["x-request-id"] for response in responses]
    assert len({line["request_id"] for line in lines}) == 3
    assert [(line["path"], line["status"]) for line in lines] == [
        ("/healthz", 200),
        ("/nowhere", 404),
        ("/search", 200),
    ]
    assert responses[2].json()["request_id"] == lines[2]["request_id"] and lines[2]["ms"] > 0
