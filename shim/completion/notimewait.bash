# bash completion for notimewait

# Programs and directories, no words of the shell's own: what the launcher can run.
_notimewait_programs() {
    local word
    while read -r word; do
        ! type -P -- "$word" >/dev/null || echo "$word"
    done < <(compgen -c -- "$1" | sort -u)
    compgen -d -- "$1"
}

# _notimewait_offer WORDS CMD...: of these words, and of the files that CMD prints, what begins like
# cur. The shell quotes files; beside words of ours, what all have in common needs no quotes.
_notimewait_offer() {
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur")
    [[ ${#COMPREPLY[@]} -gt 0 ]] || compopt -o filenames 2>/dev/null || :
    mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <("${@:2}" "$cur")
}

_notimewait() {
    local policies='off auto fin-rst last-read drain drain: drain-eof drain-eof: abort delay: linger: reap'
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    local mode=run i
    local commands='ab advise attach board check report switch'
    [[ " $commands " != *" ${COMP_WORDS[1]-} "* || $COMP_CWORD -eq 1 ]] || mode=${COMP_WORDS[1]}
    case $prev in
    -p)
        local before=${cur%"${cur##*[|@]}"}
        compopt -o nospace 2>/dev/null || : # unless it is called by hand
        mapfile -t COMPREPLY < <(compgen -P "$before" -W "$policies" -- "${cur##*[|@]}")
        return
        ;;
    --log | --stats | --output | --export-markdown)
        _notimewait_offer stderr compgen -f --
        return
        ;;
    --board)
        _notimewait_offer '' compgen -d --
        return
        ;;
    --by)
        mapfile -t COMPREPLY < <(compgen -W 'preload supervise both' -- "$cur")
        return
        ;;
    --pid)
        mapfile -t COMPREPLY < <(compgen -W "$(cd /proc && echo [0-9]*)" -- "$cur")
        return
        ;;
    -r | -n | --warm-up | --seconds) return ;;
    esac
    case $mode:$COMP_CWORD in
    board:2 | switch:2)
        _notimewait_offer '-h --help' compgen -d --
        return
        ;;
    switch:3)
        mapfile -t COMPREPLY < <(compgen -W "reset $policies" -- "$cur")
        return
        ;;
    report:*)
        local report='--json --openmetrics --prometheus --watch --output -h --help'
        _notimewait_offer "$report" compgen -f --
        return
        ;;
    board:* | switch:*) return ;;
    esac
    if [[ $mode == attach && $cur != -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(cd /proc && echo [0-9]*)" -- "$cur")
        return
    fi
    # Behind the command's name, its own completion.
    i=1
    [[ $mode == run ]] || i=2
    while [[ $i -lt $COMP_CWORD ]]; do
        case ${COMP_WORDS[i]} in
        -p | -r | -n | --log | --stats | --board | --export-markdown | --warm-up | --by | --pid | --seconds) i=$((i + 1)) ;;
        -*) ;;
        *)
            _command_offset "$i" 2>/dev/null
            return
            ;;
        esac
        i=$((i + 1))
    done
    local words=
    case $mode in
    run) words='-p -r --log --stats --board --reap --by --anyway -h --help --version -- ' ;;
    ab) words='-p -n --json --export-markdown --warm-up --no-wait --anyway -h --help -- ' ;;
    advise) words='--seconds --pid -h --help -- ' ;;
    attach) words='-p --tree --connections -h --help -- ' ;;
    check) words='--json --pid -h --help -- ' ;;
    esac
    [[ $COMP_CWORD -ne 1 ]] || words+=$commands
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
    else
        _notimewait_offer "$words" _notimewait_programs
    fi
}
complete -F _notimewait notimewait
