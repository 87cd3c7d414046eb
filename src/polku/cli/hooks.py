"""polku hook: web hooks are listed, begun from an example, tried on a sample without anything being stored."""

import os
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import typer

from polku.cli.maps import AsJson, Folder, Language
from polku.cli.opening import project_of
from polku.cli.terminal import Terminal
from polku.errors import SourceError, UsageError, nearest
from polku.language import N_

EXAMPLES = ("woocommerce", "shopify", "stripe", "brevo", "mailchimp")
Name = Annotated[str, typer.Argument(metavar="NAME", help=N_("The hook's name in polku.toml."))]


def register(app: Any) -> None:
    hook = typer.Typer(help=N_("Web hooks of other systems, mapped to events in polku.toml."), no_args_is_help=True)
    hook.command("try", help=N_("Show what a sample would become, or why it would not; nothing is stored."))(try_)
    hook.command("list", help=N_("List the hooks, their addresses, and whether their secrets are set."))(list_)
    hook.command("example", help=N_("Print a mapping for a known sender, to be pasted into polku.toml."))(example)
    app.add_typer(hook, name="hook")


def try_(
    folder: Folder,
    name: Name,
    sample: Annotated[
        Path, typer.Argument(metavar="SAMPLE", help=N_("A file with a body as the sender sends it: JSON or a form."))
    ],
    header: Annotated[
        list[str] | None,
        typer.Option("--header", help=N_("A header that comes with it, such as 'X-Topic: orders/create'.")),
    ] = None,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.events.arrival import Call
    from polku.events.door import Visit, enter
    from polku.record.clock import now
    from polku.record.permission import Learned
    from polku.sources.hooks import Misfit, body_of, mapped
    from polku.sources.names import canonical

    terminal, project = project_of(folder, language, as_json)
    with project:
        hook = next((h for h in project.settings.hooks if h.name == name), None)
        if hook is None:
            raise _no_hook(name, [h.name for h in project.settings.hooks])
        headers = dict(_header(line) for line in header or ())
        try:
            body = sample.read_bytes()
        except OSError as fault:
            raise SourceError(
                N_("{file} cannot be read: {fault}."), file=str(sample), fault=str(fault.strerror or fault)
            ) from fault
        if body.lstrip()[:1] not in (b"{", b"[", b'"') and "content-type" not in headers:
            headers["content-type"] = "application/x-www-form-urlencoded"
        received = now()
        call = Call(method="POST", path=f"/hooks/{name}", headers=headers, body=body.strip(), received_at=received)
        told: list[dict[str, Any]] = []
        for made in mapped(hook, body_of(call), headers, received):
            if isinstance(made, Misfit):
                told.append(
                    {
                        "place": made.place, "refused": made.reason.name.lower(), "field": made.field,
                        "expression": made.expression, "message": terminal.reader(made.message, **made.facts),
                    }
                )  # fmt: skip
                continue
            place, arrival = made
            original = arrival.event
            permission = project.permission
            permission.ready()
            reason = enter(arrival, Visit(hook.source, received_at=received, permission=permission, learned=Learned()))
            if reason is not None:
                told.append(
                    {"place": place, "refused": reason.name.lower(), "message": reason.text(terminal.reader.language)}
                )
                continue
            arrival.event = canonical(original)
            told.append({"place": place, "event": _event(arrival, original, terminal)})
    if as_json:
        terminal.data({"hook": name, "source": hook.source, "items": told, "stored": False})
    else:
        _tell(terminal, told)
    if any("refused" in one for one in told) or not told:
        raise typer.Exit(1)


def _event(arrival: Any, original: str, terminal: Terminal) -> dict[str, Any]:
    """The columns that would be stored."""
    from polku.record.clock import moment

    found = {
        "event": arrival.event, "original_event": original if original != arrival.event else None,
        "time": moment(arrival.time).isoformat(), "event_id": arrival.message_id, "user_id": arrival.user_id,
        "anonymous_id": arrival.anonymous_id, "account_id": arrival.account_id, "session_id": arrival.session_id,
        "channel": arrival.channel, "value": arrival.value, "currency": arrival.currency, "consent": arrival.consent,
        "properties": arrival.properties, "context": arrival.context,
    }  # fmt: skip
    return {k: v for k, v in found.items() if v is not None and v != {}}


def _tell(terminal: Terminal, told: list[dict[str, Any]]) -> None:
    import json

    for one in told:
        if "refused" in one:
            where = f"{one['field']} = {one['expression']}: " if one.get("field") else ""
            terminal.say(N_("Item {place} is no event. {where}{message}"), place=one["place"] + 1, where=where,
                         message=one["message"])  # fmt: skip
            continue
        terminal.say(N_("Item {place} would be this event:"), place=one["place"] + 1)
        for key, value in one["event"].items():
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            terminal.say("  {key}: {text}", key=key, text=text)
    if not told:
        terminal.say(N_("The mapping finds no items in this sample."))
    terminal.say(N_("Nothing was stored. The signature was not looked at."))


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name.strip():
        raise UsageError(N_("{line!r} is no header; write 'Name: value'."), line=line)
    return name.strip().lower(), value.strip()


def _no_hook(name: str, names: list[str]) -> UsageError:
    if not names:
        return UsageError(
            N_("There is no hook {name!r}; polku.toml has none. Begin with: polku hook example shopify"), name=name
        )
    close = nearest(name, names)
    if close:
        return UsageError(N_("There is no hook {name!r}. Did you mean {close}?"), name=name, close=close)
    return UsageError(N_("There is no hook {name!r}; there are {names}."), name=name, names=", ".join(names))


def list_(folder: Folder, language: Language = None, as_json: AsJson = False) -> None:
    terminal, project = project_of(folder, language, as_json)
    with project:
        hooks = project.settings.hooks
    found = [
        {
            "name": h.name, "path": f"/hooks/{h.name}", "source": h.source, "signature": h.signature.scheme,
            "secret": h.secret, "secret_is_set": bool(os.environ.get(h.secret) or os.environ.get(h.secret + "_FILE")),
        }
        for h in hooks
    ]  # fmt: skip
    if as_json:
        terminal.data(found)
        return
    for one in found:
        if one["secret_is_set"]:
            terminal.say(N_("{path}: its secret is in {secret}."), path=one["path"], secret=one["secret"])
        else:
            terminal.say(N_("{path}: its secret is missing; put it into {secret} or {secret}_FILE."), path=one["path"],
                         secret=one["secret"])  # fmt: skip
    if not found:
        terminal.say(N_("polku.toml has no hooks. Begin with: polku hook example shopify"))


def example(
    name: Annotated[
        str, typer.Argument(metavar="SENDER", help=N_("woocommerce, shopify, stripe, brevo or mailchimp."))
    ],
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    terminal = Terminal(as_json=as_json, language=language)
    if name not in EXAMPLES:
        raise UsageError(N_("There is no example {name!r}; there are {names}."), name=name, names=", ".join(EXAMPLES))
    text = example_text(name)
    if as_json:
        terminal.data({"name": name, "toml": text})
    else:
        terminal.out.print(text, markup=False, end="")


def example_text(name: str) -> str:
    """The example's TOML."""
    return (files("polku.sources") / "hook_examples" / f"{name}.toml").read_text(encoding="utf-8")
