"""Where the service is, and what it calls the model (wire 1.1, 1.3)."""

import pytest

from livehandle_proto.errors import LiveHandleError
from livehandled.config.schema import Session
from livehandled.gemini.endpoints import endpoint, is_loopback, model_name, public

GEMINI = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
VERTEX = "/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent"


@pytest.mark.parametrize(
    ("session", "url"),
    [
        (Session(), f"wss://generativelanguage.googleapis.com{GEMINI}"),
        (Session(backend="vertex"), f"wss://aiplatform.googleapis.com{VERTEX}"),
        (
            Session(backend="vertex", location="global"),
            f"wss://aiplatform.googleapis.com{VERTEX}",
        ),
        (
            Session(backend="vertex", location="us-central1"),
            f"wss://us-central1-aiplatform.googleapis.com{VERTEX}",
        ),
        (
            Session(backend="vertex", location="us"),
            f"wss://aiplatform.us.rep.googleapis.com{VERTEX}",
        ),
        (
            Session(backend="vertex", location="eu"),
            f"wss://aiplatform.eu.rep.googleapis.com{VERTEX}",
        ),
        # A project and a location mean nothing to the Gemini API.
        (
            Session(project="p", location="us-central1"),
            f"wss://generativelanguage.googleapis.com{GEMINI}",
        ),
    ],
)
def test_each_backend_has_its_address(session: Session, url: str) -> None:
    assert endpoint(session) == url


@pytest.mark.parametrize(
    ("session", "version"),
    [
        (Session(), ".v1beta."),
        (Session(api_version="v1alpha"), ".v1alpha."),
        (Session(backend="vertex"), ".v1beta1."),
        (Session(backend="vertex", api_version="v1"), ".v1."),
    ],
)
def test_the_version_is_in_the_path(session: Session, version: str) -> None:
    assert version in endpoint(session)


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("https://gw.example", f"wss://gw.example{GEMINI}"),
        ("https://gw.example/", f"wss://gw.example{GEMINI}"),
        ("https://gw.example//", f"wss://gw.example{GEMINI}"),
        ("https://gw.example:8443/a//b/", f"wss://gw.example:8443/a/b{GEMINI}"),
        ("wss://gw.example/prefix", f"wss://gw.example/prefix{GEMINI}"),
        ("https://gw.example/p?tenant=1", f"wss://gw.example/p{GEMINI}?tenant=1"),
        ("https://me:pw@gw.example", f"wss://me:pw@gw.example{GEMINI}"),
        (f"wss://gw.example{GEMINI}", f"wss://gw.example{GEMINI}"),
        ("HTTPS://gw.example", f"wss://gw.example{GEMINI}"),
        ("http://localhost:8080", f"ws://localhost:8080{GEMINI}"),
        ("ws://127.0.0.1:8080", f"ws://127.0.0.1:8080{GEMINI}"),
        ("http://127.9.9.9", f"ws://127.9.9.9{GEMINI}"),
        ("ws://[::1]:8080/x/", f"ws://[::1]:8080/x{GEMINI}"),
    ],
)
def test_a_base_url_becomes_a_websocket_url_with_the_services_path(base_url: str, url: str) -> None:
    assert endpoint(Session(base_url=base_url)) == url


def test_a_base_url_of_vertex_has_the_path_of_vertex() -> None:
    session = Session(backend="vertex", location="eu", base_url="https://gw.example/v")
    assert endpoint(session) == f"wss://gw.example/v{VERTEX}"


PLAIN = [
    "http://gw.example",
    "ws://gw.example",
    "http://10.0.0.1",
    "ws://localhost.gw.example",
    "ws://127.0.0.1.gw.example",
    "ws://127.0.0.1@gw.example",
    "ws://0.0.0.0:80",
    "ws://[fe80::1]",
]


@pytest.mark.parametrize("base_url", PLAIN)
def test_plain_text_beyond_this_machine_is_refused(base_url: str) -> None:
    with pytest.raises(LiveHandleError, match="Use https") as refused:
        endpoint(Session(base_url=base_url))
    assert refused.value.name == "config.invalid"
    assert refused.value.data["param"] == "session.base_url"


@pytest.mark.parametrize("base_url", PLAIN)
def test_plain_text_is_sent_where_it_is_allowed(base_url: str) -> None:
    url = endpoint(Session(base_url=base_url, allow_plaintext=True))
    assert url.startswith("ws://")


@pytest.mark.parametrize(
    "base_url",
    [
        "gw.example",
        "//gw.example",
        "ftp://gw.example",
        "https://",
        "https://:80",
        "https://gw.example:port",
        "https://gw.example:99999",
        "https://gw.example:0",
        "https://[::1",
        "https://[zz]",
        "https:///path",
    ],
)
def test_what_is_no_url_is_refused_without_repeating_it(base_url: str) -> None:
    with pytest.raises(LiveHandleError, match="Correct session") as refused:
        endpoint(Session(base_url=base_url + "?key=secret"))
    assert refused.value.name == "config.invalid"
    assert "secret" not in str(refused.value.to_json())


def test_the_emulator_backend_goes_to_the_emulator_whatever_else_is_configured() -> None:
    session = Session(backend="emulator", base_url="https://gw.example", api_version="v1alpha")
    url = endpoint(session, "ws://127.0.0.1:4711")
    assert url == "ws://127.0.0.1:4711" + GEMINI.replace("v1beta", "v1alpha")


def test_without_an_emulator_its_backend_is_refused() -> None:
    with pytest.raises(LiveHandleError, match="--emulator") as refused:
        endpoint(Session(backend="emulator"))
    assert refused.value.data["param"] == "session.backend"


@pytest.mark.parametrize(
    ("session", "name"),
    [
        (Session(model="m"), "models/m"),
        (Session(model="models/m"), "models/m"),
        (Session(model="tunedModels/m"), "tunedModels/m"),
        (Session(model="m", project="p", base_url="https://gw.example"), "models/m"),
        (Session(backend="emulator", model="m"), "models/m"),
        (Session(backend="vertex", model="m"), "publishers/google/models/m"),
        (Session(backend="vertex", model="m", location="eu"), "publishers/google/models/m"),
        (
            Session(backend="vertex", model="m", project="p", location="eu"),
            "projects/p/locations/eu/publishers/google/models/m",
        ),
        (
            Session(backend="vertex", model="m", project="p"),
            "projects/p/locations/global/publishers/google/models/m",
        ),
        (
            Session(backend="vertex", model="publishers/x/models/m", project="p"),
            "projects/p/locations/global/publishers/x/models/m",
        ),
        (Session(backend="vertex", model="projects/q/x", project="p"), "projects/q/x"),
    ],
)
def test_a_model_has_the_resource_name_of_its_backend(session: Session, name: str) -> None:
    assert model_name(session) == name


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("wss://gw.example/a?key=secret", "wss://gw.example/a"),
        ("wss://me:secret@gw.example:1/a#secret", "wss://gw.example:1/a"),
        ("wss://a@b:secret@gw.example", "wss://gw.example"),
        ("ws://[::1]:5/a", "ws://[::1]:5/a"),
    ],
)
def test_a_url_is_shown_without_what_may_be_secret(url: str, shown: str) -> None:
    assert public(url) == shown


# Ephemeral tokens (wire 1.2).


@pytest.mark.parametrize("version", ["", "v1alpha"])
def test_tokens_have_a_path_of_their_own_and_one_version(version: str) -> None:
    path = GEMINI.replace("v1beta", "v1alpha") + "Constrained"
    assert endpoint(Session(api_version=version), constrained=True).endswith(path)
    gateway = Session(api_version=version, base_url="https://gateway.example/x")
    assert endpoint(gateway, constrained=True) == f"wss://gateway.example/x{path}"


def test_another_version_takes_no_tokens() -> None:
    with pytest.raises(LiveHandleError) as caught:
        endpoint(Session(api_version="v1beta"), constrained=True)
    assert caught.value.name == "config.invalid"
    assert caught.value.data["param"] == "session.api_version"


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.8.0.1", True),
        ("::1", True),
        ("gateway.example", False),
        ("10.0.0.1", False),
        ("", False),
    ],
)
def test_this_machine_is_known_by_its_addresses(host: str, local: bool) -> None:
    assert is_loopback(host) is local
