"""polku variants and adopt: which piece of content does best, and letting everybody get it."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table

from polku.cli.keys import actor
from polku.cli.maps import AsJson, Folder, Language
from polku.cli.opening import looked, opened
from polku.language import N_

RuleId = Annotated[str, typer.Argument(metavar="RULE", help=N_("The rule's name in the map."))]
Name = Annotated[str, typer.Argument(metavar="VARIANT", help=N_("The variant's name in the map."))]
Step = Annotated[
    int | None, typer.Option(help=N_("The message, where several of the rule have that variant; polku variants tells."))
]


def register(app: Any) -> None:
    app.command("variants", help=N_("Which variant of a rule's messages does best, and what a bandit gives next."))(
        variants
    )
    app.command("adopt", help=N_("Let everybody get one variant: the map is edited, its comments stay."))(adopt)


def variants(folder: Folder, id: RuleId, language: Language = None, as_json: AsJson = False) -> None:
    from polku.guidance.contests import contests
    from polku.guidance.why import rule_of
    from polku.measures.result import to_dict
    from polku.measures.view import view_of

    terminal, shop = looked(folder, language, as_json)
    with shop.project as project:
        found = contests(project, rule_of(shop.journey, id), view_of(shop.trails, shop.journey, project=project))
    if as_json:
        terminal.data({"contests": [to_dict(one) for one in found]})
        return
    reader = terminal.reader
    if not found:
        terminal.say(N_("{id} has no message with variants."), id=id)
    for contest in found:
        table = Table(box=None, pad_edge=False)
        for head in (N_("variant"), N_("content"), N_("share"), N_("given"), N_("reached the goal"), N_("best"),
                     N_("against the first")):  # fmt: skip
            table.add_column(reader(head))
        for v in contest.variants:
            rate, gap = v.reached.value, v.difference
            told = "–"
            if gap is not None and gap.value is not None:
                points = [reader.number(100 * x, 1) for x in (gap.value, gap.low, gap.high) if x is not None]
                told = points[0] if len(points) < 3 else f"{points[0]} ({points[1]} … {points[2]})"
            table.add_row(
                v.name, v.content, reader.percent(v.share, 0), reader.number(v.given, 0),
                "–" if rate is None else reader.percent(rate, 1),
                "–" if v.chance is None else reader.percent(v.chance, 0), told,
            )  # fmt: skip
        terminal.say(N_("Step {step}:"), step=contest.step)
        terminal.print(table)
        if contest.half is not None:
            time = reader.duration(contest.half)
            terminal.say(N_("Half of those who come to the goal have done so within {time}."), time=time)
        if contest.winner is not None:
            terminal.say(
                N_("{name} is better than the others. polku adopt lets everybody get it."), name=contest.winner
            )
        else:
            terminal.say(N_("Which one is best is not known yet."))


def adopt(
    folder: Folder, id: RuleId, variant: Name, step: Step = None, language: Language = None, as_json: AsJson = False
) -> None:
    from polku.guidance.turning import adopt as done

    terminal, project = opened(folder, language, as_json)
    with project:
        turned = done(project, id, variant, actor(), step=step)
    if as_json:
        terminal.data({"rule": id, "variant": variant, "line": turned.line})
        return
    terminal.say(
        N_("Everybody gets the variant {variant} of {id} from now on (journey.yaml, line {line})."), variant=variant,
        id=id, line=turned.line,
    )  # fmt: skip
