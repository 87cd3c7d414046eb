"""The command line's frame: language first, then commands, and errors told without tracebacks.

Help texts are written in English in the commands and translated in place once the language is known, so that a command
is an ordinary typed function.
"""

from __future__ import annotations

import json
import platform
import re
import sys
import tempfile
import traceback
from types import TracebackType
from typing import Annotated, Any

import typer
from typer import rich_utils
from typer.exceptions import TyperException

from polku.cli.mishaps import mishap
from polku.cli.terminal import SPOKEN, WISH, WISH_ZONE, wished_language
from polku.errors import PolkuError, nearest
from polku.language import N_, translate

FRAME = {
    "ARGUMENTS_PANEL_TITLE": N_("Arguments"),
    "OPTIONS_PANEL_TITLE": N_("Options"),
    "COMMANDS_PANEL_TITLE": N_("Commands"),
    "ERRORS_PANEL_TITLE": N_("Error"),
    "DEFAULT_STRING": N_("[default: {}]"),
    "REQUIRED_LONG_STRING": N_("[required]"),
    "ABORTED_TEXT": N_("Stopped."),
}
#: What click and typer say in English, and how Polku says it.
SAID = (
    (
        r"unexpected extra argument[^(]*(?:\(s\))? ?\((.+)\)",
        N_("There is no place for: {what}. A text with spaces goes in quotes."),
    ),
    (r"^Option '?([^' ]+)'? requires", N_("{what} needs a value behind it.")),
)
UNFIT = (
    (r"valid integer|not a valid int", N_("a whole number is needed.")),
    (r"valid number|not a valid float", N_("a number is needed.")),
    (r"less than or equal to (\S+)", N_("it can be at most {limit}.")),
    (r"greater than or equal to (\S+)", N_("it must be at least {limit}.")),
)
#: The exit code of a command that the person stopped.
STOPPED = 130
USAGE = N_("Usage: ")
HELP = N_("Show this message and exit.")


def build() -> Any:
    """The click command of the whole program, in English."""
    from polku.cli import (
        addresses,
        ask,
        audiences,
        backup,
        campaigns,
        consent,
        content,
        data,
        engine,
        guidance,
        hooks,
        identities,
        keys,
        live,
        maps,
        measure,
        note,
        offers,
        onsite,
        rights,
        servers,
        surveys,
        users,
        variants,
        world,
    )

    app = typer.Typer(
        name="polku",
        help=N_("The customer journey map that measures itself."),
        no_args_is_help=True,
        add_completion=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
    app.callback()(start)
    for room in (
        maps,
        data,
        ask,
        measure,
        world,
        note,
        identities,
        live,
        guidance,
        variants,
        campaigns,
        audiences,
        engine,
        hooks,
        keys,
        users,
        servers,
        backup,
        consent,
        rights,
        content,
        addresses,
        offers,
        onsite,
        surveys,
    ):
        room.register(app)
    return typer.main.get_command(app)


def start(
    language: Annotated[
        str | None, typer.Option("--language", metavar="fi|en", help=N_("The language to speak in every command."))
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option("--timezone", metavar="ZONE", help=N_("The time zone to show times in, in every command.")),
    ] = None,
    version: Annotated[bool, typer.Option("--version", help=N_("Say which Polku this is, and exit."))] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        print(f"polku {installed('polku')}")
        raise typer.Exit
    WISH.set(language)
    WISH_ZONE.set(timezone)


def translated(command: Any, language: str) -> Any:
    """``command`` with every help text in ``language``, in place."""
    if hasattr(command, "language"):  # one that makes its options later
        command.language = language
    if command.help:
        command.help = translate(language, command.help)
    for parameter in command.params:
        if getattr(parameter, "help", None):
            parameter.help = translate(language, parameter.help)
    _translate_frame_of(command, language)
    for child in getattr(command, "commands", {}).values():
        translated(child, language)
    return command


def _translate_frame_of(command: Any, language: str) -> None:
    """The two texts that click writes into each command by itself: the usage line's first word and --help's help."""
    help_option, usage_line = command.get_help_option, command.get_usage

    def told_help(context: Any) -> Any:
        option = help_option(context)
        if option is not None:
            option.help = translate(language, HELP)
        return option

    def told_usage(context: Any) -> str:
        return str(usage_line(context)).replace("Usage: ", translate(language, USAGE), 1)

    command.get_help_option, command.get_usage = told_help, told_usage


def frame(language: str) -> None:
    """The words of the help screen itself, which typer keeps as constants."""
    for name, text in FRAME.items():
        setattr(rich_utils, name, translate(language, text))


def usage(error: TyperException, language: str, commands: list[str]) -> str:
    """A click error in the reader's language; what click only says in English is told by what it is about."""
    parameter = getattr(error, "param", None)
    name = "/".join(parameter.opts) if parameter is not None and parameter.param_type_name == "option" else ""
    if parameter is not None and not name:
        name = (parameter.metavar or parameter.name or "").upper()
    kind = type(error).__name__
    if kind == "NoSuchOption":
        option = str(getattr(error, "option_name", ""))
        near = nearest(option, getattr(error, "possibilities", None) or [])
        text = translate(language, "There is no option {option}.", option=option)
        return text + (" " + translate(language, "Did you mean {near}?", near=near) if near else "")
    if kind == "MissingParameter":
        return translate(language, "{name} is missing.", name=name)
    if kind == "BadParameter":
        return translate(language, "{name} does not fit: {message}", name=name, message=_unfit(error.message, language))
    if kind == "UsageError" and error.message.startswith("No such command"):
        word = error.message.split("'")[1] if "'" in error.message else error.message
        near = nearest(word, commands)
        text = translate(language, "There is no command {word}.", word=word)
        if near:
            text += " " + translate(language, "Did you mean {near}?", near=near)
        return text + " " + translate(language, "Commands: {commands}.", commands=", ".join(commands))
    for pattern, text in SAID:
        if found := re.search(pattern, error.message):
            return translate(language, text, what=found[1])
    return error.format_message()


def _unfit(message: str, language: str) -> str:
    """Why a value does not fit its option, of which typer tells in English only."""
    for pattern, text in UNFIT:
        if found := re.search(pattern, message):
            return translate(language, text, limit=found[1] if found.groups() else "")
    return message


def tell(text: str, arguments: list[str], payload: dict[str, Any]) -> None:
    if "--json" in arguments:
        sys.stdout.write(json.dumps(payload, ensure_ascii=False, indent=2, default=str) + "\n")
    sys.stderr.write(text.rstrip() + "\n")


def unexpected(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """For what no command foresaw. What the machine refused is told as that; for a fault of Polku's a short word to
    the person, and the traceback in a file for the one who mends it."""
    if issubclass(kind, KeyboardInterrupt):
        sys.stderr.write("\n")
        return
    language = SPOKEN.get() or wished_language(sys.argv[1:])
    if (refusal := mishap(error)) is not None:
        tell(refusal.text(language), sys.argv[1:], refusal.to_dict(language))
        return
    versions = f"polku {' '.join(sys.argv[1:])}\nPython {sys.version}\n{platform.platform()}\n\n"
    details = versions + "".join(traceback.format_exception(kind, error, trace))
    text = translate(
        language, "This is a fault in Polku, not in what you did: {kind}: {error}", kind=kind.__name__, error=error
    )
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", prefix="polku-error-", suffix=".txt", delete=False
        ) as report:
            report.write(details)
        text += "\n" + translate(language, "The details are in {report}.", report=report.name)
    except OSError:
        text += "\n" + details
    tell(text, sys.argv[1:], {"error": {"code": "fault", "message": text}})


def main(arguments: list[str] | None = None) -> None:
    """The entry point. Exit codes: 0 done, 1 refused or not found, 2 wrong usage, 130 stopped by the person."""
    words = sys.argv[1:] if arguments is None else arguments
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    sys.excepthook = unexpected
    SPOKEN.set(None)
    language = wished_language(words)
    frame(language)
    command = translated(build(), language)
    try:
        code = command.main(args=words, prog_name="polku", standalone_mode=False)
    except PolkuError as error:
        language = SPOKEN.get() or language
        tell(error.text(language), words, error.to_dict(language))
        sys.exit(2 if error.code.startswith("usage") else 1)
    except TyperException as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            sys.exit(0)
        text = usage(error, language, sorted(command.commands))
        tell(text, words, {"error": {"code": "usage", "message": text}})
        sys.exit(2)
    except (typer.Abort, KeyboardInterrupt):
        code = STOPPED
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    if code == STOPPED:  # typer turns Ctrl-C into this code by itself
        language = SPOKEN.get() or language
        sys.stderr.write("\n" + translate(language, "Stopped. Nothing was left half done.") + "\n")
    sys.exit(code if isinstance(code, int) else 0)
