"""Who may come in: the gate, the permission of every route, forms, cookies, keys, proxies and names."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import argon2
import httpx
import pytest
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import Mount

from polku.access import passwords
from polku.access.entrance import Entrance
from polku.access.limits import Limit
from polku.access.roles import LEAST, ROLES, allows
from polku.errors import AccessError
from polku.notes.finding import Whom
from polku.notes.taking import take
from polku.record.project import Project
from polku.web.app import create_app
from polku.web.description import routes_of
from polku.web.guard import safe_next
from polku.web.serve import serve

from . import world
from .inprocess import Client, loop_in_a_thread

WORD = "correct horse battery"
ORIGIN = "http://testserver"
#: Stand-ins for the parts of a path.
PARTS = {"key": "customer-00", "name": "funnel", "number": "1"}


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "HASHER", argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        passwords._nobody.cache_clear()
        yield


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with world.make(tmp_path_factory.mktemp("secured") / "shop") as project:
        yield project


@pytest.fixture(scope="module")
def entrance(shop: Project) -> Entrance:
    found = Entrance(shop, beyond=True)
    for role in ("owner", "editor", "viewer"):
        found.users.add(role, role, WORD)
    return found


@pytest.fixture(scope="module")
def app(shop: Project, entrance: Entrance) -> Any:
    return create_app(shop, entrance=entrance)


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    with loop_in_a_thread() as running:
        yield running


@pytest.fixture
def visitor(app: Any, entrance: Entrance, loop: asyncio.AbstractEventLoop) -> Iterator[Callable[..., Client]]:
    """``visitor()``: nobody; ``visitor("viewer")``: somebody of that role, signed in."""
    made: list[Client] = []

    def make(role: str | None = None, base: str = ORIGIN) -> Client:
        client = Client(app, loop, base)
        made.append(client)
        if role is not None:
            for limit in (entrance.by_pair, entrance.by_address, entrance.by_account):
                for name in ("203.0.113.9", role, f"{role} 203.0.113.9"):
                    limit.forgive(name)
            answer = client.post("/sign-in", data={"name": role, "password": WORD}, headers={"Origin": base})
            assert answer.status_code == 303, answer.text
        return client

    yield make
    for client in made:
        client.close()


def token_of(client: Client) -> str:
    found = re.search(r'name="token" value="([^"]+)"', client.get("/account").text)
    assert found is not None
    return found[1]


def routes(app: Any) -> list[tuple[str, str, str]]:
    """(method, path with stand-ins, permission) of every route."""
    found = []
    for route in routes_of(app):
        path = re.sub(r"\{(\w+)(:path)?\}", lambda m: PARTS.get(m[1], "none"), route.path)
        permission = getattr(route.endpoint, "__permission__", None)
        found += [(method, path, permission) for method in sorted(route.methods - {"HEAD"})]
    return found


# -- every route ------------------------------------------------------------------------------------------------------


def test_every_route_declares_what_it_needs(app: Any) -> None:
    undeclared = [(method, path) for method, path, permission in routes(app) if permission not in LEAST]
    assert not undeclared, "say @needs(...) under the router's decorator; see polku.web.guard"
    assert [m.path for m in app.routes if isinstance(m, Mount)] == ["/static"]
    others = [c.original_route for c in iter_route_contexts(app.routes) if not isinstance(c.original_route, APIRoute)]
    assert [type(r) for r in others] == [Mount], "the guard does not stand at routes of other kinds"


def test_what_is_open_to_all_is_a_short_list(app: Any) -> None:
    assert sorted({path for _, path, permission in routes(app) if permission == "open"}) == [
        "/c/none", "/health", "/i/none", "/k/none", "/o/none", "/polku.js", "/polku/funnel.js", "/reports/none",
        "/review-report", "/review/none", "/reviews", "/reviews/none", "/s/none", "/s/none/none", "/sign-in",
        "/sign-in/provider", "/sign-in/provider/callback", "/u/none", "/welcome/none",
    ]  # fmt: skip


@pytest.mark.parametrize("role", [None, *ROLES])
def test_each_role_gets_in_where_it_may_and_nowhere_else(
    app: Any, visitor: Callable[..., Client], role: str | None
) -> None:
    client = visitor(role)
    token = token_of(client) if role else ""
    wrong = []
    for method, path, permission in routes(app):
        if path == "/sign-out":
            continue
        data = {"token": token} if method == "POST" else None
        answer = client.request(method, path, data=data, headers={"Origin": ORIGIN} if data else {})
        refused = answer.status_code in (401, 403) or answer.headers.get("location", "").startswith("/sign-in")
        if allows(role, permission) == refused:
            wrong.append((method, path, permission, answer.status_code, answer.headers.get("location")))
    assert wrong == []


def test_unknown_paths_tell_strangers_nothing(visitor: Callable[..., Client]) -> None:
    answer = visitor().get("/nothing/here")
    assert answer.status_code == 404
    assert "customer-" not in answer.text


# -- forms ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "headers", "status"),
    [
        ("own", {"Origin": ORIGIN}, 303),
        ("own", {"Sec-Fetch-Site": "same-origin"}, 303),
        ("own", {}, 403),
        ("own", {"Origin": "https://evil.example"}, 403),
        ("own", {"Origin": "null"}, 403),
        ("own", {"Sec-Fetch-Site": "cross-site"}, 403),
        ("other", {"Origin": ORIGIN}, 403),
        ("", {"Origin": ORIGIN}, 403),
        ("\udc80ä", {"Origin": ORIGIN}, 403),
    ],
)
def test_a_form_is_this_sessions_own(
    visitor: Callable[..., Client], entrance: Entrance, token: str, headers: dict[str, str], status: int
) -> None:
    owner, other = visitor("owner"), visitor("owner")
    tokens = {"own": token_of(owner), "other": token_of(other)}
    data = {"token": tokens.get(token, "ä"), "do": "role", "name": "viewer", "role": "viewer"}
    answer = owner.post("/settings/people", data=data, headers=headers)
    assert answer.status_code == status, answer.text
    sent = owner.post(
        "/settings/people", content=b"do=role", headers={"X-Polku-Token": tokens["own"], "Origin": ORIGIN}
    )
    assert sent.status_code == 400, "a script's header does as well; this form then asks for nobody"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"a=1&" * 200_000, "application/x-www-form-urlencoded"),
        (b"a=1&" * 2_000, "application/x-www-form-urlencoded"),
        (b"\xff\xfe\x00=\x00", "application/x-www-form-urlencoded"),
        (b'{"token": 1}', "application/json"),
        (b"--x\r\nbroken", "multipart/form-data; boundary=x"),
        (b"", "multipart/form-data"),
    ],
)
def test_forms_that_are_none_are_refused(visitor: Callable[..., Client], body: bytes, kind: str) -> None:
    owner = visitor("owner")
    answer = owner.post("/settings/keys", content=body, headers={"Origin": ORIGIN, "Content-Type": kind})
    assert answer.status_code in (400, 403)


# -- signing in -------------------------------------------------------------------------------------------------------


def test_signing_in_and_out(visitor: Callable[..., Client], shop: Project) -> None:
    nobody = visitor()
    asked = nobody.get("/customers?stage=cart&order=name")
    assert asked.status_code == 303
    assert parse_qs(urlsplit(asked.headers["location"]).query)["next"] == ["/customers?stage=cart&order=name"]
    assert 'value="/customers?stage=cart&amp;order=name"' in nobody.get(asked.headers["location"]).text
    form = {"name": "Viewer", "password": WORD, "next": "/customers?stage=cart&order=name"}
    answer = nobody.post("/sign-in", data=form, headers={"Origin": ORIGIN})
    assert (answer.status_code, answer.headers["location"]) == (303, "/customers?stage=cart&order=name")
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("polku_session=")
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "secure" not in cookie
    assert nobody.get("/").status_code == 200
    out = nobody.post("/sign-out", data={"token": token_of(nobody)}, headers={"Origin": ORIGIN})
    assert out.headers["location"] == "/sign-in"
    assert nobody.get("/").status_code == 303
    assert [e.action for e in shop.audit.entries(2)] == ["sign-out", "sign-in"]


def test_a_session_that_was_ended_is_ended_for_good(visitor: Callable[..., Client]) -> None:
    client, second = visitor("editor"), visitor("editor")
    kept = dict(client.cookies)
    client.post("/sign-out", data={"token": token_of(client), "everywhere": "1"}, headers={"Origin": ORIGIN})
    client.cookies.update(kept)
    assert client.get("/").status_code == 303
    assert second.get("/").status_code == 303


def test_over_https_cookies_are_the_hosts_own(visitor: Callable[..., Client]) -> None:
    client = visitor(None, "https://testserver")
    form = {"name": "viewer", "password": WORD}
    answer = client.post("/sign-in", data=form, headers={"Origin": "https://testserver"})
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-polku_session=")
    assert "Secure" in cookie
    assert "Path=/" in cookie
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    assert "strict-transport-security" not in visitor().get("/sign-in").headers
    assert client.get("/").status_code == 200


@pytest.mark.parametrize(
    "wish",
    [
        "https://evil.example/", "//evil.example", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)", "evil",
        "/a\r\nSet-Cookie: x=y", "/a\tb", "http:/evil.example", "/\t/evil.example", "/" + "a" * 3000, "",
    ],
)  # fmt: skip
def test_nobody_is_sent_elsewhere(visitor: Callable[..., Client], wish: str) -> None:
    assert safe_next(wish) == "/"
    form = {"name": "viewer", "password": WORD, "next": wish}
    answer = visitor().post("/sign-in", data=form, headers={"Origin": ORIGIN})
    assert answer.headers["location"] == "/"
    assert "x=y" not in str(answer.headers)


def test_guessing_is_held_up(visitor: Callable[..., Client], entrance: Entrance, shop: Project) -> None:
    client = visitor()
    before = len(shop.audit.entries(1000, action="sign-in.throttled"))

    def guess(name: str) -> httpx.Response:
        return client.post("/sign-in", data={"name": name, "password": "guess"}, headers={"Origin": ORIGIN})

    answers = {name: [guess(name) for _ in range(12)] for name in ("owner", "nobody-at-all")}
    for found in answers.values():
        assert [a.status_code for a in found] == [400] * 10 + [429] * 2
        assert int(found[-1].headers["retry-after"]) >= 60
    texts = [re.sub(r"nobody-at-all|owner", "NAME", found[0].text) for found in answers.values()]
    assert texts[0] == texts[1], "an unknown name is told as a wrong password is"
    assert len(shop.audit.entries(1000, action="sign-in.throttled")) == before + 2
    failed = {e.about for e in shop.audit.entries(1000, action="sign-in") if not e.actor}
    assert {"owner", "?"} <= failed <= {"owner", "editor", "viewer", "?"}, (
        "what nobody is called may be a password in the wrong field"
    )
    for name in answers:
        entrance.by_pair.forgive(f"{name} 203.0.113.9")
        entrance.by_account.forgive(name)
    entrance.by_address.forgive("203.0.113.9")


def test_a_link_is_followed_once(visitor: Callable[..., Client], entrance: Entrance) -> None:
    owner = visitor("owner")
    data = {"token": token_of(owner), "do": "invite", "name": "<b>New@One", "role": "viewer"}
    page = owner.post("/settings/people", data=data, headers={"Origin": ORIGIN}).text
    found = re.search(r"http://testserver(/welcome/[\w-]+)", page)
    assert found is not None
    assert "<b>New" not in page
    link, new = found[1], visitor()
    looked = new.get(link)
    assert looked.headers["referrer-policy"] == "no-referrer"
    assert looked.headers["cache-control"] == "no-store"
    two = {"password": WORD, "again": WORD + "x"}
    assert new.post(link, data=two, headers={"Origin": ORIGIN}).status_code == 400
    done = new.post(link, data={"password": WORD, "again": WORD}, headers={"Origin": ORIGIN})
    assert done.headers["location"] == "/"
    assert new.get("/account").status_code == 200
    assert new.get(link).status_code == 410
    again = visitor().post(link, data={"password": WORD, "again": WORD}, headers={"Origin": ORIGIN})
    assert again.status_code == 410
    entrance.users.remove("<b>new@one")
    assert new.get("/").status_code == 303


def test_a_password_is_changed_by_who_knows_it(visitor: Callable[..., Client], entrance: Entrance) -> None:
    entrance.users.add("carl", "viewer", WORD)
    client = visitor("carl")
    elsewhere = visitor("carl")

    def change(old: str, new: str) -> httpx.Response:
        data = {"token": token_of(client), "old": old, "password": new, "again": new}
        return client.post("/account/password", data=data, headers={"Origin": ORIGIN})

    assert change("wrong", "another good one").status_code == 400
    assert change(WORD, "short").status_code == 400
    assert change(WORD, "another good one").status_code == 303
    assert client.get("/account").status_code == 200
    assert elsewhere.get("/account").status_code == 303
    entrance.users.remove("carl")


# -- machines ---------------------------------------------------------------------------------------------------------


def test_keys_open_the_api_for_reading_and_nothing_else(visitor: Callable[..., Client], shop: Project) -> None:
    client = visitor()
    read, write = (shop.keys.create(scope, [scope]) for scope in ("read", "write"))
    other = shop.keys.create("gone", ["read"])
    shop.keys.revoke(other.key.id)
    with_key = {"Authorization": f"Bearer {read.text}"}
    assert client.get("/api/map", headers=with_key).status_code == 200
    assert client.get("/api/openapi.json", headers=with_key).status_code == 200
    assert client.get("/", headers=with_key).status_code == 303
    for key in (write.text, other.text, "", "x" * 10_000, "pk_r_\x7f"):
        answer = client.get("/api/map", headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Bearer realm="polku"'
        assert answer.json()["error"]["code"] == "access.sign-in"
    assert client.get(f"/api/map?key={read.text}").status_code == 401, "no secret in a URL"
    assert client.post("/settings/keys", headers=with_key).status_code in (303, 403)


def test_consent_is_told_with_a_key_that_reads_and_writes(visitor: Callable[..., Client], shop: Project) -> None:
    client = visitor()
    keys = {scope: shop.keys.create(scope, scope.split()).text for scope in ("read", "write", "read write")}
    told = {"give": ["email"], "withdraw": ["ads"], "source": "till", "text_version": "v2", "time": "2026-01-31 14:30"}

    def tell(key: str, body: object, who: str = "customer-07") -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {key}"}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = client.post(f"/api/consents/{who}", headers=headers, content=content)
        return answer.status_code, answer.json()

    assert [tell(keys[scope], told)[0] for scope in ("read", "write", "read write")] == [403, 401, 200]
    assert client.post("/api/consents/customer-07", content=json.dumps(told).encode()).status_code == 401
    _, found = tell(keys["read write"], {"give": ["analytics"]})
    assert (found["granted"], found["denied"]) == (["analytics", "email"], ["ads"])
    assert {d["source"] for d in found["decisions"]} == {"till", "api"}
    assert found["decisions"][0]["text_version"] == "v2"
    entry = next(e for e in shop.audit.entries(9) if e.facts.get("source") == "till")
    assert (entry.action, entry.actor) == ("consent.changed", "key:read write")
    assert tell(keys["read write"], told, "newcomer@example.fi")[1]["granted"] == ["email"]
    wrong = (
        b"", b"[]", b"{", {"give": "email"}, {"give": []}, {"give": ["no purpose!"]}, {"take": ["email"]},
        {"give": ["ads"], "withdraw": ["ads"]}, {"give": ["ads"], "time": "soon"}, {"give": ["ads"] * 60},
    )  # fmt: skip
    for body in wrong:
        status, answer = tell(keys["read write"], body)
        assert (status, bool(answer["error"]["message"])) == (400, True), body
    assert tell(keys["read write"], b" " * 300_000)[0] == 403


def test_the_api_is_limited_by_key(app: Any, visitor: Callable[..., Client], entrance: Entrance, shop: Project) -> None:

    client, kept = visitor(), entrance.api
    one, two = (shop.keys.create(name, ["read"]).text for name in ("one", "two"))
    entrance.api = Limit(3, per=60)
    try:
        got = [client.get("/api/version", headers={"Authorization": f"Bearer {one}"}) for _ in range(4)]
        assert [a.status_code for a in got] == [200, 200, 200, 429]
        assert int(got[-1].headers["retry-after"]) >= 1
        assert client.get("/api/version", headers={"Authorization": f"Bearer {two}"}).status_code == 200
    finally:
        entrance.api = kept


# -- where it listens -------------------------------------------------------------------------------------------------


def test_this_machine_alone_needs_no_sign_in_until_somebody_can(shop: Project) -> None:
    assert Entrance(shop, beyond=False, mode="never").needed() is False
    assert Entrance(shop, beyond=False, mode="auto").needed() is True, "there are people"
    with pytest.raises(AccessError, match="this machine alone"):
        Entrance(shop, beyond=True, mode="never")


def test_without_people_the_first_owner_comes_in_by_a_link(tmp_path: Any) -> None:
    from polku.record.project import create_project

    with create_project(tmp_path / "new") as project:
        local, beyond = Entrance(project, beyond=False), Entrance(project, beyond=True)
        assert (local.needed(), local.first_link()) == (False, None)
        assert beyond.needed()
        assert beyond.who(None, None, machine=False) is None
        link = beyond.first_link()
        assert link is not None
        beyond.users.follow(link, WORD, "anna")
        assert beyond.first_link() is None
        again = Entrance(project, beyond=False)
        assert again.needed()


def test_an_open_server_lets_nobody_in_through_a_proxy(shop: Project, loop: asyncio.AbstractEventLoop) -> None:
    client = Client(create_app(shop, entrance=Entrance(shop, beyond=False, mode="never")), loop)
    assert client.get("/account").status_code == 404
    for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "X-Forwarded-Host"):
        answer = client.get("/api/version", headers={header: "203.0.113.7"})
        assert answer.status_code == 403
        assert "server.proxies" in answer.text
    client.close()


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "localhost@evil.example", "[::1"])
def test_names_of_others_are_refused(shop: Project, loop: asyncio.AbstractEventLoop, host: str) -> None:
    client = Client(create_app(shop, hosts=["localhost", "polku.example"]), loop)
    assert client.get("/api/version", headers={"Host": host}).status_code == 421
    assert client.get("/api/version", headers={"Host": "polku.example:8443"}).status_code == 200
    client.close()


def test_a_proxy_is_believed_where_it_is_named(tmp_path: Any) -> None:
    with world.make(tmp_path / "shop") as project:
        (tmp_path / "shop" / "polku.toml").write_text(
            '[server]\nproxies = "127.0.0.1"\nnames = "polku.example"\n', encoding="utf-8"
        )
    from polku.record.project import open_project

    with open_project(tmp_path / "shop") as project:
        stop, ready = threading.Event(), threading.Event()
        found: dict[str, str] = {}

        def on_first(url: str) -> None:
            found["first"] = url
            ready.set()

        def on_ready(url: str, moved: bool) -> None:
            found["url"] = url

        thread = threading.Thread(
            target=serve, args=(project, "127.0.0.1", 0, on_ready), kwargs={"stop": stop, "on_first": on_first}
        )
        thread.start()
        assert ready.wait(60)
        path = urlsplit(found["first"]).path
        headers = {"Host": "polku.example", "X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"}
        with httpx.Client(base_url=found["url"], headers=headers) as client:
            assert client.get("/").headers["location"] == "/sign-in"
            form = {"name": "anna", "password": WORD, "again": WORD}
            done = client.post(path, data=form, headers={"Origin": "https://polku.example"})
            assert done.status_code == 303, done.text
            assert done.headers["set-cookie"].startswith("__Host-polku_session=")
            assert "strict-transport-security" in done.headers
            assert client.get("/", headers={"Host": "other.example"}).status_code == 421
        assert project.audit.entries(1)[0].address == "203.0.113.7"
        stop.set()
        thread.join(20)


# -- addresses --------------------------------------------------------------------------------------------------------


def test_addresses_are_shown_to_those_who_may_write_notes(shop: Project, visitor: Callable[..., Client]) -> None:
    """A customer known by e-mail alone is called by it on every page; a viewer sees its hash, and so does the API."""
    address = "liisa@esimerkki.fi"
    note = take(shop, Whom(email="Liisa@Esimerkki.fi"), "product")
    name = f"email:{shop.contacts.address_hash('email', address)}"
    assert note.user_id == name
    paths = ["/live", "/connect", f"/customers?search={address}", f"/customers/{name}", f"/identities?q={name}"]
    for role, sees in (("editor", True), ("viewer", False)):
        client = visitor(role)
        for path in paths:
            shown = client.get(path)
            assert shown.status_code == 200, path
            assert (f">{address}<" in shown.text) == sees, (role, path)
        assert f">{name}<" in client.get(f"/customers/{name}").text or sees
        found = client.get(f"/api/live?customer={address}").json()["events"]
        assert {row["name"] for row in found} == {name}
        assert address not in str(found)
