# bash completion for notimewait
_notimewait() {
    local policies='off auto fin-rst last-read drain drain: drain-eof drain-eof: abort delay: linger: reap'
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    local mode=run i
    [[ ${COMP_WORDS[1]-} != ab && ${COMP_WORDS[1]-} != check ]] || mode=${COMP_WORDS[1]}
    case $prev in
    -p)
        local before=${cur%"${cur##*[|@]}"}
        compopt -o nospace 2>/dev/null || : # unless it is called by hand
        mapfile -t COMPREPLY < <(compgen -P "$before" -W "$policies" -- "${cur##*[|@]}")
        return
        ;;
    --log | --stats)
        mapfile -t COMPREPLY < <(compgen -W stderr -- "$cur"; compgen -f -- "$cur")
        return
        ;;
    -r | -n) return ;;
    esac
    # Behind the command's name, its own completion.
    i=1
    [[ $mode == run ]] || i=2
    while [[ $i -lt $COMP_CWORD ]]; do
        case ${COMP_WORDS[i]} in
        -p | -r | -n | --log | --stats) i=$((i + 1)) ;;
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
    run) words='-p -r --log --stats --reap --help --version -- ' ;;
    ab) words='-p -n --json --no-wait -- ' ;;
    check) words='-- ' ;;
    esac
    [[ $COMP_CWORD -ne 1 ]] || words+='ab check'
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur"; [[ $cur == -* ]] || compgen -c -- "$cur")
}
complete -F _notimewait notimewait
