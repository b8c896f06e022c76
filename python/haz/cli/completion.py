"""Print a script that completes commands, options and tasks in a shell."""

from haz.cli.declare import Annotated, Argument
from haz.cli.report import finish
from haz.errors import UsageError
from haz.streams import Writer

SHELLS = ("bash", "zsh", "fish")

# COMP_WORDS is split at colons, and only the part behind the last one is replaced: the line itself is taken apart, and
# what bash leaves standing is cut off the answers.
BASH = r"""# eval "$(haz completion bash)"
_haz() {
    local line=${COMP_LINE:0:COMP_POINT} IFS=$' \t\n' quote='' cut='' word says
    local -a words
    COMPREPLY=()
    read -ra words <<< "$line"
    while ((${#words[@]})) && [[ ${words[0]} != "${COMP_WORDS[0]}" ]]; do words=("${words[@]:1}"); done
    [[ $line == *[[:space:]] ]] && words+=('')
    local last=${words[${#words[@]} - 1]}
    [[ $last == [\"\']* ]] && quote=${last:0:1}
    words=("${words[@]#[\"\']}")
    words=("${words[@]%[\"\']}")
    last=${words[${#words[@]} - 1]}
    [[ -z $quote && $COMP_WORDBREAKS == *:* ]] && cut=${last%"${last##*[:=]}"}
    while IFS=$'\t' read -r word says; do
        case $word in
            :files) compopt -o default; return ;;
            :directories) compopt -o dirnames; return ;;
            *[:=]) compopt -o nospace ;;
        esac
        COMPREPLY+=("${word#"$cut"}")
    done < <("${words[0]}" __complete "${words[@]:1}" 2>/dev/null)
}
complete -F _haz haz
"""

ZSH = r"""#compdef haz
# In a file `_haz` of $fpath, or: eval "$(haz completion zsh)"
_haz() {
    local word says
    local -a whole open
    # Of an unfinished word in quotes `words` has the quote that opens it, `PREFIX` has not.
    while IFS=$'\t' read -r word says; do
        case $word in
            :files) compset -P '--[^=]##='; _files; return ;;
            :directories) compset -P '--[^=]##='; _files -/; return ;;
            *[:=]) open+=("${word//:/\\:}${says:+:$says}") ;;
            *) whole+=("${word//:/\\:}${says:+:$says}") ;;
        esac
    done < <(${words[1]} __complete "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)
    (( $#open )) && _describe -V haz open -S ''
    (( $#whole )) && _describe -V haz whole
    (( $#open + $#whole ))
}
if [[ ${funcstack[1]} == _haz ]]; then _haz "$@"; else compdef _haz haz; fi
"""

FISH = r"""# haz completion fish > ~/.config/fish/completions/haz.fish
function __haz_complete
    # An unfinished word comes as it was typed, with the quote that opens it.
    set -l typed (commandline -ct)
    set -l words (commandline -opc) (string replace -r '^["\']' '' -- $typed | string unescape)
    command -q $words[1]; or return
    set -l option (string match -r '^--[^=]+=' -- $typed)
    set -l rest (string replace -- "$option" '' $typed)
    for line in ($words[1] __complete $words[2..-1] 2>/dev/null)
        switch $line
            case ':files*'
                string replace -r -- '^' "$option" (complete -C "'' $rest")
            case ':directories*'
                string replace -r -- '^' "$option" (__fish_complete_directories $rest)
            case '*'
                echo $line
        end
    end
end
complete -c haz -f -a '(__haz_complete)'
"""


def command(
    shell: Annotated[str, Argument(metavar="SHELL", help="bash, zsh or fish.", choices=SHELLS)],
) -> int:
    if shell not in SHELLS:
        raise UsageError(f"unknown shell '{shell}', expected bash, zsh or fish")
    out = Writer(1)
    out.text({"bash": BASH, "zsh": ZSH, "fish": FISH}[shell])
    return finish(out)
