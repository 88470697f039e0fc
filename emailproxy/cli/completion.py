"""How does the Tab key know our commands? ``emailproxy completion`` prints what a shell needs; click does the rest."""

from __future__ import annotations

from typing import Final

import click
from click.shell_completion import BashComplete, get_completion_class

__all__ = ["VARIABLE", "completion"]

VARIABLE: Final = "_EMAILPROXY_COMPLETE"
"""The environment variable in which the shell asks; click derives it from the program's name."""

# Unlike click's own, this one completes accounts behind their @: bash breaks words there, and wants what is behind it.
_BASH: Final = r"""
%(complete_func)s() {
    local line="${COMP_LINE:0:COMP_POINT}" word broken type value response
    local -a words
    read -ra words <<< "$line"
    [[ "$line" == *[[:space:]] ]] && words+=("")
    word="${words[-1]}"
    broken="${word%%"${word##*[@:=]}"}"
    response=$(env COMP_WORDS="$line" COMP_CWORD=$((${#words[@]} - 1)) %(complete_var)s=bash_complete "$1")
    COMPREPLY=()
    while IFS=',' read -r type value; do
        case "$type" in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain) COMPREPLY+=("${value#"$broken"}") ;;
        esac
    done <<< "$response"
    return 0
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class _Bash(BashComplete):
    source_template = _BASH


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that makes SHELL complete emailproxy's commands, options, accounts and sessions.

    Accounts are those of the configuration that --config-file names on the line being typed; sessions those of the
    proxy that runs with it, if its console answers within a second. bash must be 4.4 or newer.

    \b
    Examples:
      emailproxy completion bash > ~/.local/share/bash-completion/completions/emailproxy
      emailproxy completion zsh > ~/.zfunc/_emailproxy
      emailproxy completion fish > ~/.config/fish/completions/emailproxy.fish
    """
    found = _Bash if shell == "bash" else get_completion_class(shell)
    assert found is not None, "click knows all three"
    click.echo(found(context.find_root().command, {}, "emailproxy", VARIABLE).source())
