"""Paths and credentials."""

import pytest
from websockets.datastructures import Headers

from livehandle_emulator.endpoint import (
    Endpoint,
    credential_of,
    endpoint_of,
    refused_session,
    refused_upgrade,
)

GEMINI = "/ws/google.ai.generativelanguage.{}.GenerativeService.BidiGenerateContent"
VERTEX = "/ws/google.cloud.aiplatform.{}.LlmBidiService/BidiGenerateContent"


@pytest.mark.parametrize(
    ("target", "endpoint"),
    [
        (GEMINI.format("v1beta"), Endpoint(False, "v1beta")),
        (GEMINI.format("v1"), Endpoint(False, "v1")),
        (GEMINI.format("v1alpha") + "Constrained", Endpoint(False, "v1alpha", True)),
        (GEMINI.format("v2beta3") + "?key=k", Endpoint(False, "v2beta3")),
        ("/" + GEMINI.format("v1"), Endpoint(False, "v1")),
        (GEMINI.format("v1").replace("/ws/", "//ws///"), Endpoint(False, "v1")),
        (VERTEX.format("v1beta1"), Endpoint(True, "v1beta1")),
        ("//" + VERTEX.format("v1").replace("/Bidi", "//Bidi"), Endpoint(True, "v1")),
    ],
)
def test_paths_that_are_served(target: str, endpoint: Endpoint) -> None:
    assert endpoint_of(target) == endpoint


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/ws",
        GEMINI.format(""),
        GEMINI.format("beta"),
        GEMINI.format("v1") + "/",
        GEMINI.format("v1") + "Other",
        GEMINI.format("v1").replace(".Bidi", "/Bidi"),
        VERTEX.format("v1").replace("/Bidi", ".Bidi"),
        VERTEX.format("v1") + "Constrained",
        GEMINI.format("v1").replace(".", "x"),
    ],
)
def test_paths_that_are_not(target: str) -> None:
    assert endpoint_of(target) is None


@pytest.mark.parametrize(
    ("target", "headers", "credential"),
    [
        ("/", {"x-goog-api-key": "k"}, "k"),
        ("/", {"X-Goog-Api-Key": "k"}, "k"),
        ("/?key=k", {}, "k"),
        ("/?access_token=t", {}, "t"),
        ("/", {"Authorization": "Bearer t"}, "t"),
        ("/", {"authorization": "Token auth_tokens/t"}, "auth_tokens/t"),
        ("/?key=", {"x-goog-api-key": ""}, None),
        ("/", {"Authorization": "Basic t"}, None),
        ("/", {"Authorization": "Bearer"}, None),
        ("/?other=k", {}, None),
        ("/?key=q", {"x-goog-api-key": "h"}, "h"),
    ],
)
def test_where_credentials_are_looked_for(
    target: str, headers: dict[str, str], credential: str | None
) -> None:
    assert credential_of(target, Headers(headers)) == credential


PLAIN, CONSTRAINED = Endpoint(False, "v1beta"), Endpoint(False, "v1alpha", True)


@pytest.mark.parametrize(
    ("endpoint", "credential", "keys", "code", "reason"),
    [
        (PLAIN, None, None, 1008, "Method doesn't allow unregistered callers"),
        (PLAIN, "auth_tokens/t", None, 1008, "Method doesn't allow unregistered callers"),
        (CONSTRAINED, "k", None, 1008, "Method doesn't allow unregistered callers"),
        (CONSTRAINED, None, None, 1008, "Method doesn't allow unregistered callers"),
        (PLAIN, "k", ["other"], 1007, "API key not valid. Please pass a valid API key."),
        (PLAIN, "k", [], 1007, "API key not valid. Please pass a valid API key."),
    ],
)
def test_credentials_that_end_the_session(
    endpoint: Endpoint, credential: str | None, keys: list[str] | None, code: int, reason: str
) -> None:
    refusal = refused_session(endpoint, credential, keys)
    assert refusal is not None
    assert refusal.code == code
    assert refusal.reason.startswith(reason)
    assert "auth_tokens" not in refusal.reason


@pytest.mark.parametrize(
    ("endpoint", "credential", "keys"),
    [
        (PLAIN, "k", None),
        (PLAIN, "k", ["k"]),
        (CONSTRAINED, "auth_tokens/t", None),
        (Endpoint(True, "v1"), None, None),
    ],
)
def test_credentials_that_the_session_goes_on_with(
    endpoint: Endpoint, credential: str | None, keys: list[str] | None
) -> None:
    assert refused_session(endpoint, credential, keys) is None


@pytest.mark.parametrize(
    ("endpoint", "credential", "keys", "refused"),
    [
        (Endpoint(True, "v1"), None, None, True),
        (Endpoint(True, "v1"), "t", ["u"], True),
        (Endpoint(True, "v1"), "t", ["t"], False),
        (Endpoint(True, "v1"), "t", None, False),
        (PLAIN, None, None, False),
    ],
)
def test_vertex_refuses_the_upgrade_itself(
    endpoint: Endpoint, credential: str | None, keys: list[str] | None, refused: bool
) -> None:
    assert refused_upgrade(endpoint, credential, keys) is refused
