"""polku products, codes, points, referrals: what offers are made of."""

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from polku.cli.keys import actor
from polku.cli.maps import AsJson, Folder, Language
from polku.cli.opening import opened
from polku.errors import UsageError
from polku.language import N_

if TYPE_CHECKING:
    from polku.cli.terminal import Terminal

Pool = Annotated[str, typer.Argument(metavar="POOL", help=N_("The pool's name in the map, under offers.codes."))]
Who = Annotated[
    str, typer.Argument(metavar="ID", help=N_("An id, an e-mail address, a phone number, or #number of the customer."))
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=100_000, help=N_("How many at most."))]
Reason = Annotated[str, typer.Option("--reason", help=N_("Why: it stands in the ledger."))]


def register(app: Any) -> None:
    products = typer.Typer(help=N_("The catalogue of products: what messages show of them."), no_args_is_help=True)
    products.command("list", help=N_("List products, those that sell most first."))(products_list)
    products.command("show", help=N_("Show one product, with what goes with it."))(products_show)
    products.command("import", help=N_("Read a list of products: Google Merchant's XML or TSV, or CSV."))(products_in)
    products.command("refresh", help=N_("Fetch the feeds of the map now."))(refresh)
    app.add_typer(products, name="products")
    codes = typer.Typer(
        help=N_("Discount codes, each for one customer, and what became of them."), no_args_is_help=True
    )
    codes.command("pools", help=N_("List the pools, and how many codes are in each state."))(pools_)
    codes.command("list", help=N_("List codes with what became of them."))(codes_list)
    codes.command("make", help=N_("Make codes for a pool; the shop has to be told them."))(make)
    codes.command("import", help=N_("Read codes that the shop has made, from CSV."))(codes_in)
    codes.command("export", help=N_("Write the codes of a pool as CSV, for the shop."))(export)
    codes.command("withdraw", help=N_("Let codes be given no more."))(withdraw)
    codes.command("release", help=N_("Let withdrawn codes that nobody got be given again."))(release)
    app.add_typer(codes, name="codes")
    points = typer.Typer(help=N_("The loyalty programme: points, levels, the ledger."), no_args_is_help=True)
    points.command("status", help=N_("Tell the programme in numbers, and who has the most points."))(points_status)
    points.command("show", help=N_("Show a customer's points, level and ledger."))(points_show)
    points.command("give", help=N_("Give a customer points by hand, with a reason."))(give)
    points.command("take", help=N_("Take points from a customer by hand, with a reason; never below 0."))(take)
    points.command("backfill", help=N_("Give points for what is recorded since a day, imports too, each once."))(
        backfill
    )
    app.add_typer(points, name="points")
    referrals = typer.Typer(help=N_("Recommending to friends: links, friends, rewards."), no_args_is_help=True)
    referrals.command("list", help=N_("List referrals, the latest first."))(referrals_list)
    referrals.command("link", help=N_("Show a customer's own link to recommend by."))(link)
    referrals.command("accept", help=N_("Let a doubtful referral go on: it is rewarded when its time comes."))(accept)
    referrals.command("refuse", help=N_("Refuse a doubtful referral."))(refuse)
    app.add_typer(referrals, name="referrals")


# -- products ----------------------------------------------------------------------------------------------------------


def products_list(
    folder: Folder,
    search: Annotated[str, typer.Option("--search", help=N_("Words that the product has."))] = "",
    availability: Annotated[
        str | None,
        typer.Option("--availability", help=N_("in_stock, out_of_stock, preorder, backorder, unknown or gone.")),
    ] = None,
    limit: Limit = 50,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.offers import catalogue, fetching
    from polku.offers.product import AVAILABILITY

    terminal, project = opened(folder, language, as_json)
    with project:
        asked = catalogue.Search.read(search, availability, None)
        found = catalogue.search(project, asked, limit, terminal.reader.language)
        counts, feeds = catalogue.counts(project, asked), fetching.looks(project)
    if as_json:
        told = {"counts": counts, "feeds": [look.to_dict() for look in feeds]}
        terminal.data(told | {"products": [one.to_dict() for one in found]})
        return
    reader = terminal.reader
    if not counts["all"]:
        terminal.say(
            N_("The catalogue has no such product. Import a list, name a feed in the map, or wait for events.")
        )
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in (N_("Id"), N_("Product"), N_("Price"), N_("Availability")):
        table.add_column(reader(name))
    for one in found:
        price = one.fields.get("price")
        cost = "" if price is None else reader.money(float(price), one.fields.get("currency"))
        there = reader(AVAILABILITY[one.availability]) if one.gone_at is None else reader(N_("gone from its feed"))
        table.add_row(one.product_id, one.name, cost, there)
    if found:
        terminal.out.print(table)
    if counts["all"] > len(found):
        terminal.say(N_("{n} of {of} products."), n=reader.number(len(found)), of=reader.number(counts["all"]))
    for look in feeds:
        if look.fault is not None:
            terminal.say(N_("The feed {url} was not taken in: {fault}"), url=look.feed.url, fault=look.fault)


def products_show(
    folder: Folder,
    product: Annotated[str, typer.Argument(metavar="PRODUCT", help=N_("The product's id."))],
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.offers import catalogue

    terminal, project = opened(folder, language, as_json)
    with project:
        one = catalogue.product_of(project, product, terminal.reader.language)
        others = catalogue.recommended(project, [product], terminal.reader.language)
    if as_json:
        terminal.data({**one.to_dict(), "recommended": [other.to_dict() for other in others]})
        return
    terminal.out.print(one.name, style="bold", markup=False)
    for name, value in one.facts().items():
        if name != "name":
            terminal.out.print(f"{name}: {value}", markup=False)
    if others:
        terminal.say(N_("Goes with it: {names}"), names=", ".join(other.name for other in others))


def products_in(
    folder: Folder,
    file: Annotated[Path, typer.Argument(metavar="FILE", help=N_("XML (RSS or Atom), TSV or CSV; gzip as well."))],
    name: Annotated[
        str, typer.Option("--name", help=N_("What the list is called: the next one of that name replaces it."))
    ] = "import",
    texts: Annotated[
        str | None,
        typer.Option("--texts", metavar="fi|en", help=N_("The language of its texts, where there are several.")),
    ] = None,
    part: Annotated[bool, typer.Option("--part", help=N_("It is no whole list: what is not in it stays."))] = False,
    sure: Annotated[
        bool, typer.Option("--sure", help=N_("Believe it also where most products of the last one are missing."))
    ] = False,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.offers.catalogue import store
    from polku.offers.feed import REASONS, Products, open_list

    terminal, project = opened(folder, language, as_json)
    with project, terminal.progress() as progress, open_list(file) as source:
        size = file.stat().st_size
        products = Products(source, file.name)

        def told() -> Any:
            for number, one in enumerate(products):
                if number % 500 == 0:
                    progress(min(source.tell(), size), size, N_("Reading products"))
                yield one

        done = store(project, told(), name, language=texts, whole=not part, sure=sure)
        project.audit.note(actor(), "products.imported", name, {"products": done.all})
    if as_json:
        terminal.data({"added": done.added, "changed": done.changed, "same": done.same, "gone": done.gone,
                       "refused": products.refused})  # fmt: skip
        return
    reader = terminal.reader
    terminal.say(
        N_("{added} new products, {changed} changed, {same} as they were, {gone} gone."),
        added=reader.number(done.added),
        changed=reader.number(done.changed),
        same=reader.number(done.same),
        gone=reader.number(done.gone),
    )
    for reason, count in products.refused.items():
        terminal.say(N_("{n} rows are no product: {reason}."), n=reader.number(count), reason=reader(REASONS[reason]))


def refresh(
    folder: Folder,
    sure: Annotated[
        bool, typer.Option("--sure", help=N_("Believe a feed also where most of its products are missing."))
    ] = False,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.errors import PolkuError
    from polku.offers import fetching

    terminal, project = opened(folder, language, as_json)
    told: list[dict[str, Any]] = []
    failed = False
    with project, terminal.progress() as progress:
        feeds = project.journey().offers.catalogue.feeds
        for number, feed in enumerate(feeds):
            progress(number, len(feeds), N_("Fetching feeds"))
            try:
                done = fetching.fetch(project, feed, anew=sure, sure=sure)
            except PolkuError as error:
                failed = True
                told.append({"url": feed.url, "fault": error.text(terminal.reader.language)})
                continue
            stored = done.stored
            told.append({"url": feed.url, "changed": stored is not None, "refused": dict(done.refused),
                         "products": None if stored is None else stored.all})  # fmt: skip
    if as_json:
        terminal.data({"feeds": told})
    elif not told:
        terminal.say(N_("The map names no feed. Write one under offers.catalogue.feeds."))
    for one in told if not as_json else ():
        if "fault" in one:
            terminal.say(N_("The feed {url} was not taken in: {fault}"), url=one["url"], fault=one["fault"])
        elif one["changed"]:
            terminal.say(N_("{url}: {n} products."), url=one["url"], n=terminal.reader.number(one["products"]))
        else:
            terminal.say(N_("{url} has not changed."), url=one["url"])
    if failed:
        raise typer.Exit(1)


# -- codes -------------------------------------------------------------------------------------------------------------


def pools_(folder: Folder, language: Language = None, as_json: AsJson = False) -> None:
    from polku.offers import codes

    terminal, project = opened(folder, language, as_json)
    with project:
        found = codes.pools(project)
    if as_json:
        terminal.data([pool.to_dict() for pool in found])
        return
    reader = terminal.reader
    for pool in found:
        counts = ", ".join(f"{reader(codes.STATE_WORDS[s])} {reader.number(n)}" for s, n in pool.counts.items())
        terminal.out.print(f"{pool.name}: {counts or reader(N_('no codes'))}", markup=False)
        if pool.low:
            terminal.say(N_("The pool {pool} runs low: make more, or import the shop's."), pool=pool.name)
    if not found:
        terminal.say(N_("The map has no pool of codes. Write one under offers.codes."))


def codes_list(
    folder: Folder,
    pool: Annotated[str | None, typer.Option("--pool", help=N_("Of this pool alone."))] = None,
    state: Annotated[str | None, typer.Option("--state", help=N_("free, given, used, expired or withdrawn."))] = None,
    customer: Annotated[str | None, typer.Option("--customer", help=N_("Given to, or used by, this customer."))] = None,
    search: Annotated[str, typer.Option("--search", help=N_("The beginning of a code."))] = "",
    limit: Limit = 50,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.content.preview import customer_meant
    from polku.offers import codes
    from polku.record.clock import moment
    from polku.record.naming import names_of

    terminal, project = opened(folder, language, as_json)
    with project:
        key = customer_meant(project, customer) if customer else None
        found = codes.listed(project, pool, state, search, limit, key)
        names = names_of(project, {one.customer for one in found if one.customer is not None}, project.subject())
    if as_json:
        terminal.data([one.to_dict() for one in found])
        return
    reader = terminal.reader
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in (N_("Code"), N_("Pool"), N_("State"), N_("Customer"), N_("Good until"), N_("Purchase")):
        table.add_column(reader(name))
    for one in found:
        until = "" if one.expires_at is None else reader.time(moment(one.expires_at))
        who = names.get(one.customer, "") if one.customer is not None else ""
        table.add_row(one.code, one.pool, reader(codes.STATE_WORDS[one.state]), who, until, one.order_id or "")
    if found:
        terminal.out.print(table)
    else:
        terminal.say(N_("There is no such code."))


def make(
    folder: Folder,
    pool: Pool,
    count: Annotated[int, typer.Argument(metavar="COUNT", help=N_("How many."))],
    out: Annotated[
        Path | None, typer.Option("--out", help=N_("Write them into this CSV file; - to the screen."))
    ] = None,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.offers import codes

    terminal, project = opened(folder, language, as_json)
    with project:
        made = codes.make(project, pool, count, actor())
    if as_json:
        terminal.data({"pool": pool, "codes": made})
    if out is not None:
        _write([(code, "") for code in made], out)
    terminal.say(N_("Made {n} codes for {pool}. The shop takes them once it is told: polku codes export."),
                 n=terminal.reader.number(len(made)), pool=pool)  # fmt: skip


def codes_in(
    folder: Folder,
    pool: Pool,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help=N_("CSV with a column code, and expires where they end; or one a line.")),
    ],
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.offers import codes
    from polku.offers.codesheet import read_codes

    terminal, project = opened(folder, language, as_json)
    with project:
        given = list(read_codes(file, project.journey().timezone))
        done = codes.take_in(project, pool, given, actor())
    if as_json:
        terminal.data({"added": done.added, "known": done.known, "refused": [code for code, _ in done.refused]})
        return
    reader = terminal.reader
    terminal.say(N_("{added} codes taken in, {known} were there already, {refused} are no codes."),
                 added=reader.number(done.added), known=reader.number(done.known),
                 refused=reader.number(len(done.refused)))  # fmt: skip


def export(
    folder: Folder,
    pool: Pool,
    out: Annotated[Path, typer.Option("--out", help=N_("The CSV file; - is the screen."))] = Path("-"),
    state: Annotated[str | None, typer.Option("--state", help=N_("free, given, used, expired or withdrawn."))] = "free",
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.offers import codes
    from polku.record.clock import moment

    terminal, project = opened(folder, language, as_json)
    with project:
        codes.pool_of(project.journey(), pool)
        found = codes.listed(project, pool, state or None, "", codes.MOST)
    if as_json:
        terminal.data([{"code": one.code, "state": one.state} for one in found])
        return
    _write([(one.code, "" if one.expires_at is None else moment(one.expires_at).isoformat()) for one in found], out)
    if str(out) != "-":
        terminal.say(N_("Wrote {n} codes."), n=terminal.reader.number(len(found)))


def _write(rows: list[tuple[str, str]], out: Path) -> None:
    if str(out) == "-":
        _rows(sys.stdout, rows)
        return
    try:
        with out.open("w", encoding="utf-8", newline="") as file:
            _rows(file, rows)
    except OSError as fault:
        raise UsageError(
            N_("{file} cannot be written: {fault}"), file=str(out), fault=fault.strerror or ""
        ) from fault  # fmt: skip


def _rows(file: Any, rows: list[tuple[str, str]]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("code", "expires"))
    writer.writerows(rows)


def withdraw(
    folder: Folder,
    pool: Pool,
    code: Annotated[
        list[str] | None, typer.Argument(metavar="[CODE]...", help=N_("These codes; without any, all free ones."))
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help=N_("Why."))] = "",
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.offers import codes

    terminal, project = opened(folder, language, as_json)
    with project:
        done = codes.withdraw(project, pool, code or None, reason, actor())
    if as_json:
        terminal.data({"withdrawn": done})
    terminal.say(N_("{n} codes are given no more."), n=terminal.reader.number(done))


def release(folder: Folder, pool: Pool, language: Language = None, as_json: AsJson = False) -> None:
    from polku.offers import codes

    terminal, project = opened(folder, language, as_json)
    with project:
        done = codes.release(project, pool, actor())
    if as_json:
        terminal.data({"released": done})
    terminal.say(N_("{n} codes may be given again."), n=terminal.reader.number(done))


# -- points ------------------------------------------------------------------------------------------------------------


def points_status(folder: Folder, limit: Limit = 20, language: Language = None, as_json: AsJson = False) -> None:
    from polku.offers import byhand
    from polku.record.naming import names_of

    terminal, project = opened(folder, language, as_json)
    with project:
        totals, found = byhand.totals(project), byhand.members(project, limit)
        names = names_of(project, {one.customer for one in found}, project.subject())
    if as_json:
        told = [{"customer": names[one.customer], "balance": one.balance, "level": one.level, "counted": one.counted}
                for one in found]  # fmt: skip
        terminal.data({"totals": totals, "customers": told})
        return
    reader = terminal.reader
    terminal.say(
        N_("{customers} customers have {left} points; {earned} were given, {spent} spent, {expired} have expired."),
        **{name: reader.number(n) for name, n in totals.items()},
    )
    for one in found:
        terminal.out.print(f"{names[one.customer]}  {reader.number(one.balance)}  {one.level or ''}", markup=False)


def points_show(folder: Folder, customer: Who, language: Language = None, as_json: AsJson = False) -> None:
    from polku.content.preview import customer_meant
    from polku.offers import byhand

    terminal, project = opened(folder, language, as_json)
    with project:
        standing, entries = byhand.standing_of(project, customer_meant(project, customer))
        levels = byhand.programme_of(project).levels
    if as_json:
        terminal.data({**standing.to_dict(), "entries": [entry.to_dict() for entry in entries]})
        return
    _standing(terminal, standing, levels)
    from polku.offers.ledger import KIND_WORDS
    from polku.record.clock import moment

    reader = terminal.reader
    for entry in entries:
        sign = "+" if entry.points > 0 else "-"
        terminal.out.print(
            f"{reader.time(moment(entry.time))}  {sign}{reader.number(abs(entry.points))}  "
            f"{reader(KIND_WORDS.get(entry.kind, entry.kind))}: {entry.reason}", markup=False,
        )  # fmt: skip


def _standing(terminal: "Terminal", standing: Any, levels: Any) -> None:
    from polku.record.clock import moment

    reader = terminal.reader

    def title(level: str) -> str:
        return reader.said(levels[level].title) or level

    terminal.say(N_("{n} points."), n=reader.number(standing.balance))
    if standing.level is not None:
        terminal.say(
            N_("Level {level} since {time}."), level=title(standing.level), time=reader.time(moment(standing.since))
        )
    if standing.next is not None:
        terminal.say(N_("{n} points more to {level}."), n=reader.number(standing.missing), level=title(standing.next))
    if standing.expires_at is not None:
        terminal.say(N_("{n} points expire on {day}."), n=reader.number(standing.expiring),
                     day=reader.date(moment(standing.expires_at)))  # fmt: skip


def give(
    folder: Folder,
    customer: Who,
    points: Annotated[int, typer.Argument(metavar="POINTS", min=1, help=N_("How many."))],
    reason: Reason = "",
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    _change(folder, customer, points, reason, language, as_json)


def take(
    folder: Folder,
    customer: Who,
    points: Annotated[int, typer.Argument(metavar="POINTS", min=1, help=N_("How many."))],
    reason: Reason = "",
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    _change(folder, customer, -points, reason, language, as_json)


def _change(folder: Path, customer: str, points: int, reason: str, language: str | None, as_json: bool) -> None:
    from polku.content.preview import customer_meant
    from polku.offers import byhand

    terminal, project = opened(folder, language, as_json)
    with project:
        standing = byhand.change(project, customer_meant(project, customer), points, reason, actor())
        levels = byhand.programme_of(project).levels
    if as_json:
        terminal.data(standing.to_dict())
        return
    _standing(terminal, standing, levels)


def backfill(
    folder: Folder,
    since: Annotated[str, typer.Option("--since", metavar="DAY", help=N_("The first day, such as 2026-01-01."))],
    dry_run: Annotated[bool, typer.Option("--dry-run", help=N_("Only tell what it would give."))] = False,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.offers import byhand
    from polku.record.consenting import moment_of

    terminal, project = opened(folder, language, as_json)
    with project, terminal.progress() as progress:
        done = byhand.backfill(project, moment_of(project, since), actor(), dry=dry_run, progress=progress)
    if as_json:
        terminal.data({"events": done.events, "entries": done.entries, "customers": done.customers,
                       "points": done.points, "dry_run": dry_run})  # fmt: skip
        return
    reader = terminal.reader
    text = (
        N_("It would give {points} points in {entries} entries, for {events} events.")
        if dry_run
        else N_("Gave {points} points in {entries} entries, for {events} events.")
    )
    terminal.say(text, points=reader.number(done.points), entries=reader.number(done.entries),
                 events=reader.number(done.events))  # fmt: skip


# -- referrals ---------------------------------------------------------------------------------------------------------


def referrals_list(
    folder: Folder,
    state: Annotated[
        str | None,
        typer.Option("--state", help=N_("followed, ordered, doubtful, completed, cancelled or refused.")),
    ] = None,
    customer: Annotated[str | None, typer.Option("--customer", help=N_("Of this customer, in either role."))] = None,
    limit: Limit = 50,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    from polku.content.preview import customer_meant
    from polku.offers import referral
    from polku.record.naming import names_of

    terminal, project = opened(folder, language, as_json)
    with project:
        key = customer_meant(project, customer) if customer else None
        found = referral.listed(project, state, key, limit)
        people = {who for one in found for who in (one.referrer, one.friend) if who is not None}
        names = names_of(project, people, project.subject())
    if as_json:
        terminal.data([{**one.to_dict(), "referrer": _name(names, one.referrer), "friend": _name(names, one.friend)}
                       for one in found])  # fmt: skip
        return
    reader = terminal.reader
    for one in found:
        why = f" ({reader(referral.REASONS.get(one.reason, one.reason))})" if one.reason else ""
        pair = f"{_name(names, one.referrer) or '-'} → {_name(names, one.friend) or '-'}"
        terminal.out.print(f"{one.number}  {pair}  {reader(referral.STATE_WORDS[one.state])}{why}", markup=False)
    if not found:
        terminal.say(N_("There is no such referral."))


def _name(names: dict[int, str], customer: int | None) -> str | None:
    return None if customer is None else names.get(customer)


def link(folder: Folder, customer: Who, language: Language = None, as_json: AsJson = False) -> None:
    from polku.content.preview import customer_meant
    from polku.offers import referral

    terminal, project = opened(folder, language, as_json)
    with project:
        definition = project.journey().offers.referral
        if definition is None:
            raise UsageError(N_("The map has no referral. Write one under offers.referral."))
        key = customer_meant(project, customer)
        address = referral.link(definition, referral.tokens_for(project, [key])[key])
    if as_json:
        terminal.data({"link": address})
        return
    terminal.out.print(address, markup=False, soft_wrap=True)


def accept(
    folder: Folder,
    number: Annotated[int, typer.Argument(metavar="NUMBER", help=N_("The referral's number."))],
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    _decide(folder, number, True, language, as_json)


def refuse(
    folder: Folder,
    number: Annotated[int, typer.Argument(metavar="NUMBER", help=N_("The referral's number."))],
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    _decide(folder, number, False, language, as_json)


def _decide(folder: Path, number: int, accepted: bool, language: str | None, as_json: bool) -> None:
    from polku.offers import referral

    terminal, project = opened(folder, language, as_json)
    with project:
        told = referral.decide(project, number, accepted, actor())
    if as_json:
        terminal.data(told.to_dict())
    state = terminal.reader(referral.STATE_WORDS[told.state])
    terminal.say(N_("Referral {number}: {state}."), number=number, state=state)
