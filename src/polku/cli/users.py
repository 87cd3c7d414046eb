"""polku users: who may sign in; polku audit: what was done."""

from typing import Annotated, Any

import typer

from polku.access.roles import ROLE_WORDS
from polku.cli.keys import actor
from polku.cli.maps import AsJson, Folder, Language
from polku.cli.opening import project_of
from polku.cli.terminal import Terminal
from polku.errors import UsageError
from polku.language import N_

Name = Annotated[str, typer.Argument(metavar="NAME", help=N_("Who: the name that the person signs in with."))]
Role = Annotated[str, typer.Option("--role", help=N_("viewer, editor or owner."))]
Site = Annotated[
    str | None,
    typer.Option("--url", help=N_("The address of the server, for the link; by default that of polku.toml.")),
]


def register(app: Any) -> None:
    users = typer.Typer(help=N_("People who may sign in."), no_args_is_help=True)
    users.command("add", help=N_("Invite a person: prints a link, by which they choose a password."))(add)
    users.command("list", help=N_("List people, their roles and when they were last seen."))(list_)
    users.command("role", help=N_("Give a person another role."))(role_)
    users.command("link", help=N_("Print a link by which a person chooses a new password."))(link)
    users.command("remove", help=N_("A person can no longer sign in."))(remove)
    app.add_typer(users, name="users")
    app.command("audit", help=N_("Who did what, when and from where; --check follows the chain."))(audit)


def add(
    folder: Folder,
    name: Name,
    role: Role = "viewer",
    url: Site = None,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.access.users import Users

    terminal, project = project_of(folder, language, as_json)
    with project:
        users = Users(project.state)
        text = users.invite(name, role, by=actor())
        where = link_of(project, url, text)
    told(terminal, name, role, where)


def link(folder: Folder, name: Name, url: Site = None, language: Language = None, as_json: AsJson = False) -> None:
    from polku.access.users import Users

    terminal, project = project_of(folder, language, as_json)
    with project:
        users = Users(project.state)
        text = users.reset_link(name, by=actor())
        where, role = link_of(project, url, text), users.get(name).role
    told(terminal, name, role, where)


def link_of(project: Any, url: str | None, text: str) -> str:
    """The address of a one-time link. Raises UsageError for a --url that is none."""
    settings = project.settings.server
    if url is None:
        host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host
        url = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
    if not url.startswith(("http://", "https://")):
        raise UsageError(N_("--url takes an address such as https://polku.example.com, not {url!r}."), url=url)
    return f"{url.rstrip('/')}/welcome/{text}"


def told(terminal: Terminal, name: str, role: str, where: str) -> None:
    if terminal.as_json:
        terminal.data({"name": name.strip().lower(), "role": role, "link": where})
        return
    terminal.say(N_("Pass this link on to {name}; it opens once:"), name=name)
    terminal.out.print(where, markup=False)


def list_(folder: Folder, language: Language = None, as_json: AsJson = False) -> None:
    from polku.access.users import Users
    from polku.record.clock import moment

    terminal, project = project_of(folder, language, as_json)
    with project:
        people = Users(project.state).list()
    if as_json:
        terminal.data(
            {
                "users": [
                    {
                        "name": p.name,
                        "role": p.role,
                        "password": p.has_password,
                        "provider": p.issuer,
                        "created_at": moment(p.created_at).isoformat(),
                        "seen_at": None if p.seen_at is None else moment(p.seen_at).isoformat(),
                    }
                    for p in people
                ]
            }
        )
        return
    if not people:
        terminal.say(
            N_("Nobody signs in yet. Invite the first owner with: polku users add {folder} NAME --role owner"),
            folder=folder,
        )
        return
    from rich.table import Table
    from rich.text import Text

    reader = terminal.reader
    table = Table(box=None, pad_edge=False)
    for head in (N_("Name"), N_("Role"), N_("Last seen")):
        table.add_column(reader(head))
    for p in people:
        seen = "–" if p.seen_at is None else reader.time(moment(p.seen_at))
        table.add_row(*(Text(cell) for cell in (p.name, reader(ROLE_WORDS[p.role]), seen)))
    terminal.print(table)


def role_(
    folder: Folder,
    name: Name,
    role: Annotated[str, typer.Argument(metavar="ROLE", help=N_("viewer, editor or owner."))],
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.access.users import Users

    terminal, project = project_of(folder, language, as_json)
    with project:
        Users(project.state).set_role(name, role, by=actor())
    if as_json:
        terminal.data({"name": name, "role": role})
        return
    terminal.say(N_("{name} is now: {role}."), name=name, role=terminal.reader(ROLE_WORDS[role]))


def remove(folder: Folder, name: Name, language: Language = None, as_json: AsJson = False) -> None:
    from polku.access.users import Users

    terminal, project = project_of(folder, language, as_json)
    with project:
        Users(project.state).remove(name, by=actor())
    if as_json:
        terminal.data({"removed": name})
        return
    terminal.say(N_("{name} can no longer sign in."), name=name)


def audit(
    folder: Folder,
    action: Annotated[
        str | None, typer.Option("--action", help=N_("Only these: a code such as sign-in or key.created."))
    ] = None,
    who: Annotated[str | None, typer.Option("--actor", help=N_("Only what this one did."))] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help=N_("How many, the latest first."))] = 50,
    check: Annotated[
        bool, typer.Option("--check", help=N_("Say whether the log is whole; exit with 1 where it is not."))
    ] = False,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.access.audit import ACTIONS
    from polku.record.clock import moment

    terminal, project = project_of(folder, language, as_json)
    with project:
        if check:
            chain = project.audit.check()
            if as_json:
                terminal.data({"rows": chain.rows, "broken": chain.broken, "head": chain.head})
            elif chain.broken is None:
                terminal.say(N_("{n} rows, one chain, whole. Its head: {head}"), n=chain.rows, head=chain.head)
            else:
                terminal.say(
                    N_("Row {n} does not fit the one before it: somebody has changed the log."), n=chain.broken
                )
            if chain.broken is not None:
                raise typer.Exit(1)
            return
        entries = project.audit.entries(limit, action=action, actor=who)
    if as_json:
        terminal.data(
            {
                "entries": [
                    {
                        "id": e.id,
                        "time": moment(e.time).isoformat(),
                        "actor": e.actor,
                        "action": e.action,
                        "about": e.about,
                        "address": e.address,
                        "facts": e.facts,
                        "hash": e.hash,
                    }
                    for e in entries
                ]
            }
        )
        return
    reader = terminal.reader
    for e in entries:
        words = reader(ACTIONS[e.action]) if e.action in ACTIONS else e.action
        parts = [reader.time(moment(e.time)), e.actor or "–", words, e.about, e.address]
        parts += [f"{name}: {value}" for name, value in e.facts.items() if value is not None]
        terminal.out.print(" · ".join(part for part in parts if part), markup=False)
    if not entries:
        terminal.say(N_("Nothing yet."))
