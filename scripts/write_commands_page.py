"""Write docs/commands.md from the commands themselves; a test holds the page to them.

python scripts/write_commands_page.py
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent.parent / "docs" / "commands.md"
HEAD = """# Commands

Every command takes `--json` (one JSON document on stdout) and `--language fi|en`; errors go to stderr, with `--json`
also to stdout as `{"error": {"code", "message", ...}}`. Exit codes: 0 done, 1 refused or not found, 2 wrong usage,
130 stopped by the person.

This page is written from the commands by `python scripts/write_commands_page.py`.
"""


def option_row(parameter: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    default = parameter.default
    shown = "" if default in (None, False, ()) or callable(default) else f"`{default}`"
    return f"| {names} | {parameter.help or ''} | {shown} |".replace("|'", "\\|'")


def section(name: str, command: Any) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option"]
    usage = " ".join(["polku", name, *(str(p.metavar or p.name).upper() for p in arguments), "[OPTIONS]"])
    lines = [f"## polku {name}", "", command.help or "", "", "```", usage, "```", ""]
    if arguments:
        lines += ["| argument | |", "|---|---|"]
        lines += [f"| `{str(p.metavar or p.name).upper()}` | {p.help or ''} |" for p in arguments]
        lines.append("")
    lines += ["| option | | default |", "|---|---|---|", *(option_row(p) for p in options)]
    return "\n".join(lines)


def leaves(commands: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Every command by its full name; those of a group stand behind the group's name."""
    for name, command in commands.items():
        if hasattr(command, "commands"):
            yield from leaves(command.commands, f"{before}{name} ")
        else:
            yield before + name, command


def measures() -> str:
    """The options that each measure has besides those of every measure, by family."""
    from polku.cli.measure import default_words, flag_of, metavar
    from polku.measures.families import families

    lines = [
        "### The measures and their options",
        "",
        "`polku measure FOLDER NAME` takes, besides the options above, those of the measure. A step is a touchpoint of",
        "the map or an event's name; a time is written 7d, 4h or 30min; a share 10 % or 0.1.",
    ]
    for _, family, found in families():
        lines += ["", f"#### {family.title}"]
        for measure in found:
            lines += ["", f"`{measure.name}`: {measure.summary}", ""]
            if not measure.options:
                lines.append("It has no options of its own.")
                continue
            lines += ["| option | | default |", "|---|---|---|"]
            for option in measure.options:
                flag = flag_of(option).replace("/", "`, `")
                value = "" if option.kind == "flag" else f" {metavar(option)}".replace("|", "\\|")
                default = "needed" if option.required else default_words(option)
                shown = default if default in ("", "needed") else f"`{default}`"
                lines.append(f"| `{flag}{value}` | {option.help.replace('|', chr(92) + '|')} | {shown} |")
    return "\n".join(lines)


def page() -> str:
    from polku.cli.app import build

    sections = []
    for name, command in leaves(build().commands):
        sections.append(section(name, command))
        if name == "measure":
            sections.append(measures())
    return "\n\n".join([HEAD.rstrip(), *sections]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
