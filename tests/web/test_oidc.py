"""Signing in by an identity provider: a small real one on loopback, honest and not."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from polku.access.entrance import Entrance
from polku.access.oidc import Pending, Provider, secret_of
from polku.errors import PolkuError, ProjectError
from polku.record.project import create_project, open_project
from polku.record.settings import Oidc
from polku.web.app import create_app

from . import world
from .inprocess import Client, loop_in_a_thread

CLIENT, SECRET = "polku", "s3cret:with/odd+signs"
KEY, FOREIGN = RSAKey.generate_key(2048, {"kid": "1"}), RSAKey.generate_key(2048, {"kid": "1"})
ORIGIN = "http://testserver"


class Issuer:
    """An OpenID provider: discovery, keys, an authorization endpoint that asks nobody, a token endpoint that checks.

    ``claims`` and ``lie`` say what its next ID token holds and how it is made.
    """

    def __init__(self) -> None:
        self.codes: dict[str, dict[str, str]] = {}
        self.claims: dict[str, Any] = {}
        self.lie = ""
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urlsplit(self.path)
                if url.path == "/.well-known/openid-configuration":
                    self.tell(issuer.metadata())
                elif url.path == "/keys":
                    self.tell({"keys": [KEY.as_dict(private=False)]})
                elif url.path == "/authorize":
                    asked = dict(parse_qsl(url.query))
                    code = f"code-{len(issuer.codes)}"
                    issuer.codes[code] = asked
                    self.send_response(302)
                    back = urlencode({"code": code, "state": asked["state"], "iss": issuer.url})
                    self.send_header("Location", f"{asked['redirect_uri']}?{back}")
                    self.end_headers()
                else:
                    self.send_error(404)

            def do_POST(self) -> None:
                sent = dict(parse_qsl(self.rfile.read(int(self.headers["content-length"])).decode()))
                status, answer = issuer.token(sent, self.headers.get("authorization", ""))
                self.tell(answer, status)

            def tell(self, value: Any, status: int = 200) -> None:
                body = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def metadata(self) -> dict[str, Any]:
        return {
            "issuer": "https://other.example" if self.lie == "issuer" else self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
        }

    def token(self, sent: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        basic = base64.b64decode(authorization.removeprefix("Basic ")).decode() if authorization else ":"
        if basic != f"{CLIENT}:{SECRET}":
            return 401, {"error": "invalid_client"}
        asked = self.codes.pop(sent.get("code", ""), None)
        if asked is None or asked["redirect_uri"] != sent.get("redirect_uri"):
            return 400, {"error": "invalid_grant"}
        digest = hashlib.sha256(sent.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if asked.get("code_challenge_method") != "S256" or asked.get("code_challenge") != challenge:
            return 400, {"error": "invalid_grant"}
        claims = {
            "iss": self.url, "sub": "42", "aud": CLIENT, "iat": int(time.time()), "exp": int(time.time()) + 300,
            "nonce": asked["nonce"], "email": "Anna@shop.example", "email_verified": True, **self.claims,
        }  # fmt: skip
        claims = {name: value for name, value in claims.items() if value is not None}
        if self.lie == "none":
            parts = [
                base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in ({"alg": "none"}, claims)
            ]
            made = ".".join([*parts, ""])
        elif self.lie == "shared":
            made = jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(KEY.as_pem(private=False)))
        elif self.lie == "text":
            made = "not a token"
        else:
            made = jwt.encode({"alg": "RS256", "kid": "1"}, claims, FOREIGN if self.lie == "key" else KEY)
        return 200, {"access_token": "x", "token_type": "Bearer", "id_token": made}

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    found = Issuer()
    yield found
    found.close()


@pytest.fixture(autouse=True)
def honest(issuer: Issuer) -> None:
    issuer.claims, issuer.lie = {}, ""


@pytest.fixture(scope="module")
def entrance(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Entrance]:
    folder = tmp_path_factory.mktemp("oidc") / "shop"
    folder.mkdir()
    (folder / "journey.yaml").write_bytes(world.MAP.read_bytes())
    create_project(folder).close()
    roles = "shop.example = viewer, anna@shop.example = owner"
    text = f'[oidc]\nissuer = "{issuer.url}"\nclient = "{CLIENT}"\nname = "Our provider"\nroles = "{roles}"\n'
    (folder / "polku.toml").write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch, open_project(folder) as project:
        patch.setenv("POLKU_OIDC_SECRET", SECRET)
        yield Entrance(project, beyond=False)


@pytest.fixture
def browser(entrance: Entrance) -> Iterator[Callable[[], Client]]:
    app = create_app(entrance.project, entrance=entrance)
    with loop_in_a_thread() as loop:
        made: list[Client] = []

        def make() -> Client:
            made.append(Client(app, loop))
            return made[-1]

        yield make
        for client in made:
            client.close()


def begun(client: Client, onward: str = "/customers") -> str:
    """To the provider and back: the address that the browser is sent to."""
    page = client.get(f"/sign-in?next={onward}").text
    assert "Our provider" in page
    away = client.get(f"/sign-in/provider?next={onward}")
    assert away.status_code == 303
    asked = parse_qs(urlsplit(away.headers["location"]).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["scope"] == ["openid email"]
    back = httpx.get(away.headers["location"])
    assert back.status_code == 302
    return str(back.headers["location"]).removeprefix(ORIGIN)


def test_who_the_provider_knows_comes_in(browser: Callable[[], Client], entrance: Entrance, issuer: Issuer) -> None:
    client = browser()
    assert client.get("/").headers["location"] == "/sign-in", "with a provider people sign in"
    back = begun(client)
    done = client.get(back)
    assert (done.status_code, done.headers["location"]) == (303, "/customers"), done.text
    assert client.get("/account").status_code == 200
    assert client.get(back).status_code == 403, "a code and a state are good once"
    issuer.claims = {"sub": "43", "email": "ben@shop.example"}
    other = browser()
    assert other.get(begun(other)).status_code == 303
    people = {u.name: (u.role, u.has_password) for u in entrance.users.list()}
    assert people == {"anna@shop.example": ("owner", False), "ben@shop.example": ("viewer", False)}
    entrance.users.set_role("ben@shop.example", "editor")
    issuer.claims = {"sub": "43", "email": "benjamin@elsewhere.example"}
    again = browser()
    assert again.get(begun(again)).status_code == 303, "known by the subject, whatever the address is now"
    assert entrance.users.get("ben@shop.example").role == "editor"
    actions = [(e.actor, e.facts.get("by")) for e in entrance.project.audit.entries(9, action="sign-in") if e.actor]
    assert ("ben@shop.example", "provider") in actions
    assert entrance.users.verify("anna@shop.example", "") is None, "no password, no way in by one"


@pytest.mark.parametrize(
    ("claims", "lie"),
    [
        ({}, "key"), ({}, "none"), ({}, "shared"), ({}, "text"),
        ({"nonce": "another"}, ""), ({"nonce": None}, ""), ({"aud": "somebody"}, ""), ({"aud": None}, ""),
        ({"aud": [CLIENT, "other"]}, ""), ({"aud": [CLIENT, "other"], "azp": "other"}, ""),
        ({"iss": "https://evil.example"}, ""), ({"exp": 1}, ""), ({"exp": None}, ""), ({"sub": None}, ""),
        ({"iat": int(time.time()) + 9999}, ""), ({"sub": "7", "email_verified": False}, ""),
        ({"sub": "7", "email_verified": None}, ""), ({"sub": "7", "email_verified": "true"}, ""),
        ({"sub": "7", "email": 5}, ""),
        ({"sub": "7", "email": "carl@elsewhere.example"}, ""),
        ({"sub": "7", "email": "carl@shop.example.evil.example"}, ""),
        ({"sub": "7", "email": "anna@shop.example"}, ""),
    ],
)  # fmt: skip
def test_what_is_not_right_is_not_believed(
    browser: Callable[[], Client], entrance: Entrance, issuer: Issuer, claims: dict[str, Any], lie: str
) -> None:
    if not entrance.users.any():
        entrance.users.provided(issuer.url, "42", "anna@shop.example", "owner")
    before = [u.name for u in entrance.users.list()]
    issuer.claims, issuer.lie = claims, lie
    client = browser()
    done = client.get(begun(client))
    assert done.status_code == 403
    assert 'role="alert"' in done.text
    assert "polku_session" not in str(done.headers)
    assert client.get("/account").status_code == 303
    assert [u.name for u in entrance.users.list()] == before


def test_a_sign_in_is_finished_where_it_was_begun(browser: Callable[[], Client], issuer: Issuer) -> None:
    attacker, victim = browser(), browser()
    back = begun(attacker)
    assert victim.get(back).status_code == 403
    begun(victim)
    assert victim.get(back).status_code == 403
    assert attacker.get(back.replace("code-", "code-x")).status_code == 403
    other = begun(attacker)
    iss = urlencode({"iss": issuer.url})
    assert iss in other
    assert attacker.get(other.replace(iss, "iss=https%3A%2F%2Fevil.example")).status_code == 403
    for query in ("", "?state=", "?error=access_denied&state=x", "?code=1&state=" + "x" * 5000):
        assert browser().get(f"/sign-in/provider/callback{query}").status_code == 403


def test_who_was_removed_comes_back_by_an_invitation_alone(
    browser: Callable[[], Client], entrance: Entrance, issuer: Issuer
) -> None:
    if not entrance.users.any():
        entrance.users.provided(issuer.url, "42", "anna@shop.example", "owner")
    issuer.claims = {"sub": "77", "email": "eve@shop.example"}
    client = browser()
    assert client.get(begun(client)).status_code == 303
    entrance.users.remove("eve@shop.example")
    for claims in ({"sub": "77"}, {"sub": "78"}, {"sub": "77", "email": "eva@shop.example"}):
        issuer.claims = {"email": "eve@shop.example", **claims}
        refused = browser()
        done = refused.get(begun(refused), headers={"Accept-Language": "en"})
        assert (done.status_code, "removed by an owner" in done.text) == (403, True), claims
    assert client.get("/account").status_code == 303, "the session has ended"
    entrance.users.invite("eve@shop.example", "viewer")
    issuer.claims = {"sub": "77", "email": "eve@shop.example"}
    invited = browser()
    assert invited.get(begun(invited)).status_code == 303
    entrance.users.remove("eve@shop.example")
    entrance.users.add("eve@shop.example", "viewer", "four plain words here")
    entrance.users.remove("eve@shop.example")
    again = browser()
    assert again.get(begun(again)).status_code == 403, "removed once more"


def test_an_invitation_is_as_good_as_a_domain(
    browser: Callable[[], Client], entrance: Entrance, issuer: Issuer
) -> None:
    if not entrance.users.any():
        entrance.users.provided(issuer.url, "42", "anna@shop.example", "owner")
    entrance.users.invite("Guest@elsewhere.example", "editor")
    issuer.claims = {"sub": "99", "email": "guest@elsewhere.example"}
    client = browser()
    assert client.get(begun(client)).status_code == 303
    assert entrance.users.get("guest@elsewhere.example").role == "editor"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (Oidc(issuer="http://accounts.example", client="x"), "https://"),
        (Oidc(issuer="https://accounts.example"), "client is empty"),
        (Oidc(issuer="https://accounts.example", client="x", roles="shop.example"), "such as"),
        (Oidc(issuer="https://accounts.example", client="x", roles="shop.example = king"), "such as"),
    ],
)
def test_settings_that_do_not_fit_are_told(settings: Oidc, told: str) -> None:
    with pytest.raises(ProjectError, match=told):
        Provider(settings, {})


def test_a_provider_that_is_not_there_or_another_is_told(issuer: Issuer) -> None:
    issuer.lie = "issuer"
    for url in (issuer.url, "http://127.0.0.1:9"):
        with pytest.raises(PolkuError, match=r"not believed|does not answer"):
            Provider(Oidc(issuer=url, client="x"), {}).begin("http://testserver/", "/")


def test_the_secret_comes_from_the_environment_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("abc\n", encoding="utf-8")
    assert secret_of({"POLKU_OIDC_SECRET": "x", "POLKU_OIDC_SECRET_FILE": str(file)}) == "x"
    assert secret_of({"POLKU_OIDC_SECRET_FILE": str(file)}) == "abc"
    assert secret_of({}) is None
    with pytest.raises(ProjectError, match="cannot be read"):
        secret_of({"POLKU_OIDC_SECRET_FILE": str(tmp_path / "none")})


@pytest.mark.parametrize("text", ["", "x", "\x00", "W10", "WzEsMiwzLDRd", "eyJhIjoxfQ", "ÄÄÄ", "x" * 10_000])
def test_a_cookie_that_is_none_is_none(text: str) -> None:
    assert Pending.unpacked(text) is None
    kept = Pending("s", "n", "v", "/ä")
    assert Pending.unpacked(kept.packed()) == kept
