"""The ways that letters take: STARTTLS with a login, a state on PostgreSQL, a channel that a plug-in brings."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from backends import postgres as postgresql
from polku.guidance.sending import pauses, send
from polku.guidance.switch import turn

from . import receivers, shop


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1, with its key, in one file."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "smtp.kauppa.example")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    now = dt.datetime.now(dt.UTC)
    made = made.not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    file.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM) + secret)
    return file


class Guarded(receivers.Mailbox):
    """A server that takes letters only over TLS from who has signed in."""

    def sign_in(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
        assert isinstance(data, LoginPassword)
        return AuthResult(success=(data.login, data.password) == (b"kauppa", b"hush"), handled=False)


@pytest.fixture
def guarded(certificate: Path) -> Iterator[tuple[Guarded, int]]:
    box = Guarded()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(
        box, hostname="127.0.0.1", port=port, require_starttls=True, tls_context=tls, authenticator=box.sign_in,
        auth_required=True,
    )  # fmt: skip
    controller.start()
    try:
        yield box, port
    finally:
        controller.stop()


def test_a_letter_leaves_over_starttls_with_a_login(
    tmp_path: Path, guarded: tuple[Guarded, int], certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box, port = guarded
    with shop.make(tmp_path / "shop", port, more='user = "kauppa"', security="starttls") as project:
        turn(project, True, "anna")
        [anna] = shop.customers(project, "anna")
        shop.put(project, shop.message(anna))
        for password, trusted, why in (
            ("hush", False, "certificate"),  # who cannot be told from an eavesdropper hears no password
            ("wrong", True, "535"),
            ("hush", True, None),
        ):
            monkeypatch.setenv("POLKU_MAIL_PASSWORD", password)
            if trusted:
                monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
            shop.due_now(project)
            done = send(project)
            assert (done or {}).get("sent", 0) == (why is None)
            if why is not None:
                assert why in pauses(project)["email"].reason
                assert shop.fate(project).state == "waiting"
                assert shop.fate(project).attempts == 0
        assert box.recipients == ["anna@example.fi"]


def test_letters_leave_a_state_on_postgresql(tmp_path: Path, postgres: postgresql.Postgres) -> None:
    with receivers.smtp() as (box, port), shop.make(tmp_path / "shop", port, state=postgres.database()) as project:
        turn(project, True, "anna")
        people = shop.customers(project, *(f"k{n}" for n in range(40)))
        shop.put(project, *(shop.message(one, n) for n, one in enumerate(people)))
        box.answers["RCPT"] = ["550 5.1.1 no such user", "451 later", "250 OK"]
        send(project)
        found = [f.state for f in shop.fates(project).values()]
        assert (found.count("failed"), found.count("waiting"), found.count("sent")) == (1, 1, 38)
        shop.due_now(project)
        assert send(project) == {"sent": 1}
        assert len(set(box.recipients)) == len(box.recipients) == 39


PIGEONS = """
from pathlib import Path
from polku.channels.channel import DELIVERED

class Pigeon:
    name, address, purpose, repeats, content = "pigeon", None, None, True, False

    def __init__(self, project):
        self.folder = project.folder

    def problem(self):
        return None

    async def deliver(self, outgoing):
        with (self.folder / "flown.txt").open("a") as file:
            file.write(f"{outgoing.key} {outgoing.facts['text']}\\n")
        return DELIVERED

    async def close(self):
        (self.folder / "home.txt").touch()

def make_channel(project):
    return Pigeon(project)
"""


def test_a_plug_in_brings_a_channel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an installed package does: by its entry point."""
    installed = tmp_path / "site"
    facts = installed / "pigeons-1.0.dist-info"
    facts.mkdir(parents=True)
    (installed / "pigeons.py").write_text(PIGEONS)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: pigeons\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[polku.channels]\npigeon = pigeons:make_channel\n")
    monkeypatch.syspath_prepend(str(installed))
    with shop.make(tmp_path / "shop") as project:
        turn(project, True, "anna")
        [anna] = shop.customers(project, "anna")
        shop.put(project, shop.message(anna, channel="pigeon", content="", facts={"text": "Hello"}))
        assert send(project) == {"sent": 1}
        assert (project.folder / "flown.txt").read_text() == "1:0:a Hello\n"
        assert (project.folder / "home.txt").exists()
        assert shop.fate(project).state == "sent"
