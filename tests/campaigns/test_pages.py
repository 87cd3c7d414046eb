"""A campaign by its pages, its data and its commands: seen, launched, paused, ended; lists for ads beside it."""

from __future__ import annotations

import base64
import dataclasses
import json
import re

import pytest
import sqlalchemy as sa
from starlette.requests import Request

from campaigns.shop import PARTY, SPRING
from guidance.test_guidance_pages import Here
from polku.access.entrance import Entrance
from polku.audiences import refreshing
from polku.campaigns import invitations
from polku.cli.app import main
from polku.record import erasure, handover, tables
from polku.web.app import create_app
from polku.web.gate import bearer
from web.inprocess import Client, loop_in_a_thread

LIST = "audiences:\n  buyers: {of: earlier, for: [meta, google], state: on}"


@pytest.fixture(scope="module")
def loop():
    with loop_in_a_thread() as found:
        yield found


def field(page, name):
    return re.search(f'name="{name}" value="([^"]+)"', page.text)[1]


def test_a_campaign_is_seen_launched_paused_and_ended(shop, loop):
    made = shop(SPRING + PARTY, LIST, port=2525)
    made.people("anna", "bert", consent={"email": True, "ads": True, "analytics": True})
    made.people("carla", mail=False)
    client = Here(create_app(made.project), loop)
    listed = client.get("/campaigns?lang=en")
    assert "Spring letter" in listed.text
    assert "draft" in listed.text
    assert "Kevätkirje" in client.get("/campaigns?lang=fi").text
    client.get("/campaigns?lang=en")
    page = client.get("/campaigns/spring")
    assert page.status_code == 200, page.text
    assert "Anna, spring is here" in page.text
    assert client.get("/api/campaigns/spring/reach").json()["outcomes"] == {"sent": 2, "no_address": 1}
    frame = client.get("/campaigns/spring/letter", params={"customer": "bert"})
    assert "Dear Bert" in frame.text
    assert "default-src 'none'" in frame.headers["content-security-policy"]
    assert client.get("/campaigns/nothing").status_code == 404
    token, seen = field(page, "token"), field(page, "version")

    def post(where="spring", **data):
        return client.post(f"/campaigns/{where}", data={"token": token, **data})

    assert post(do="launch", version=seen).status_code == 400, "not ticked"
    assert post(do="pause").status_code == 400
    assert post(do="launch", version="another", sure="yes").status_code == 400
    assert post(do="launch", version=seen, sure="yes").status_code == 303
    assert client.post("/campaigns/spring", data={"do": "stop"}).status_code == 403, "another site's form"
    made.now += 60_000_000
    made.run()
    page = client.get("/campaigns/spring")
    assert "a message was made" in page.text
    told = client.get("/api/campaigns/spring").json()
    assert (told["state"], told["outcomes"], told["messages"]) == ("done", {"sent": 2, "no_address": 1}, {"waiting": 2})
    assert "campaign.launched" in [e.action for e in made.project.audit.entries()]
    why = client.get("/api/campaigns/spring/why", params={"customer": "carla"}).json()
    assert [n["what"] for n in why["refusals"]] == ["no_address"]
    why = client.get("/api/campaigns/party/why", params={"customer": "carla"}).json()
    assert why["facts"] == {"outcome": "no_address"}
    assert "Spring letter" in client.get("/customers/anna").text
    assert client.get("/api/campaigns/spring/proof").json()["treated"]["entered"] == 2

    assert post("party", do="answer", customer="anna", answer="yes", guests="1").status_code == 303
    assert "1" in client.get("/campaigns/party").text
    csv = client.get("/campaigns/party/answers.csv").text
    assert "anna@example.fi,yes,1,coming" in csv
    assert client.get("/api/campaigns/party/answers").json()["places"]["free"] == 0
    added = client.post("/campaigns/add-pattern", data={"token": token, "name": "seasonal_offer"})
    assert added.headers["location"] == "/campaigns/seasonal_offer", added.text
    assert client.get("/campaigns/seasonal_offer").status_code == 200

    assert "never" in client.get("/audiences").text
    assert client.post("/audiences/buyers", data={"token": token, "do": "refresh"}).status_code == 303
    page = client.get("/audiences/buyers")
    assert "2 people" in page.text
    found = re.search(r"/audiences/buyers/refreshes/\d+/meta-members.csv", page.text)[0]
    assert client.get(found).text.count("\n") == 3
    latest = client.get("/api/audiences/buyers/latest/google-members.csv")
    assert latest.text.splitlines()[0] == "Email,Phone,First Name,Last Name,Country,Zip"
    assert client.get("/api/audiences").json()["audiences"][0]["last"]["members"] == 2
    assert client.get("/audiences/nothing").status_code == 404
    assert client.get("/api/audiences/buyers/latest/other.csv").status_code == 404


def test_addresses_and_lists_for_ads_are_for_editors_and_keys(shop, loop):
    made = shop(PARTY, LIST)
    made.people("anna", consent={"email": True, "ads": True, "analytics": True})
    invitations.give(made.project, "party", made.customer("anna"), "yes")
    refreshing.refresh(made.project, "buyers", "mikko")
    server = dataclasses.replace(made.project.settings.server, sign_in="auto")
    made.project.settings = dataclasses.replace(made.project.settings, server=server)
    entrance = Entrance(made.project, beyond=True)
    for name, role in (("mikko", "owner"), ("olga", "viewer")):
        entrance.users.add(name, role, "correct horse battery")
    client = Client(create_app(made.project, entrance=entrance), loop)
    keys = {scopes: made.project.keys.create(scopes, scopes.split()).text for scopes in ("read", "read write")}
    file, answers = "/api/audiences/buyers/latest/meta-members.csv", "/api/campaigns/party/answers"
    for scopes, shown in (("read", False), ("read write", True)):
        headers = {"Authorization": f"Bearer {keys[scopes]}"}
        assert client.get(file, headers=headers).status_code == 200
        (row,) = client.get(answers, headers=headers).json()["answers"]
        assert ("email" in row, "anna@example.fi" in row.values()) == (shown, shown)
    signed = client.post("/sign-in", data={"name": "olga", "password": "correct horse battery"},
                         headers={"Origin": "http://testserver"})  # fmt: skip
    assert signed.status_code == 303
    assert client.get("/campaigns/party").status_code == client.get("/audiences/buyers").status_code == 200
    for path in (file, "/campaigns/party/answers.csv"):
        assert client.get(path).status_code == 403, path
    assert "email" not in client.get(answers).json()["answers"][0]
    client.close()


def test_all_that_is_held_of_a_customer_is_handed_over_and_erased(shop):
    made = shop(SPRING + PARTY, LIST)
    made.people("anna", "bert", consent={"email": True, "ads": True, "analytics": True})
    key = made.customer("anna")
    invitations.give(made.project, "party", key, "yes", note="no nuts")
    refreshing.refresh(made.project, "buyers", "mikko")
    told = handover.held(made.project, "anna")
    assert told["campaigns"]["answers"][0]["note"] == "no nuts"
    assert told["campaigns"]["audiences"][0]["audience"] == "buyers"
    json.dumps(told)
    erasure.forget(made.project, "anna", "mikko")
    with made.project.state.read() as connection:
        for table in (
            tables.campaign_members,
            tables.campaign_answers,
            tables.audience_choices,
            tables.audience_listed,
        ):
            origins = connection.execute(sa.select(table.c.origin)).scalars().all()
            assert key not in origins


def test_a_key_is_the_password_of_who_knows_only_passwords():
    def of(text):
        return bearer(Request({"type": "http", "headers": [(b"authorization", text.encode())]}))

    assert of("Basic " + base64.b64encode(b"google:pk_r_abc").decode()) == "pk_r_abc"
    assert of("Bearer pk_r_abc") == "pk_r_abc"
    assert of("Basic not-base64!") is None


def run(capsys, *words):
    with pytest.raises(SystemExit) as end:
        main([*words, "--json"])
    assert not end.value.code, capsys.readouterr()
    return json.loads(capsys.readouterr().out)


def test_commands(shop, capsys):
    made = shop(SPRING + PARTY, LIST, port=2525)
    made.people("anna", consent={"email": True, "ads": True, "analytics": True})
    made.close()
    folder = str(made.folder)
    assert run(capsys, "campaign", "reach", folder, "spring")["would_get"] == 1
    assert run(capsys, "campaign", "preview", folder, "spring", "--as", "anna")["subject"] == "Anna, spring is here"
    assert run(capsys, "campaign", "launch", folder, "spring", "--yes")["campaign"] == "spring"
    assert run(capsys, "campaign", "run", folder) == {"listed": 1, "decided": 1, "messages": 1}
    assert run(capsys, "campaign", "status", folder, "spring")["state"] == "done"
    assert run(capsys, "why", folder, "anna", "campaign:spring")["stories"][0]["sent"][0]["state"] == "waiting"
    assert run(capsys, "campaign", "answer", folder, "party", "anna", "no")["answer"] == "no"
    assert run(capsys, "campaign", "answers", folder, "party")["places"]["no"] == 1
    assert [c["state"] for c in run(capsys, "campaign", "list", folder)["campaigns"]] == ["done", "draft"]
    done = run(capsys, "audience", "refresh", folder, "buyers")
    assert (done["members"], done["added"]) == (1, 1)
    assert len(run(capsys, "audience", "files", folder, "buyers", str(made.folder / "out"))["files"]) == 6
    assert run(capsys, "audience", "list", folder)["audiences"][0]["last"]["number"] == done["number"]
