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


def page() -> str:
    from polku.cli.app import build

    return "\n\n".join([HEAD.rstrip(), *(section(*leaf) for leaf in leaves(build().commands))]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
