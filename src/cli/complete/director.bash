
# Asks the program, which knows services and servers; if it does not run, the words above.
_director_asks() {
    local program=${1/#\~/$HOME} line answer
    if [ -n "${COMP_LINE-}" ]; then
        line=${COMP_LINE:0:COMP_POINT}
    else
        line="${COMP_WORDS[*]:0:COMP_CWORD+1}"
    fi
    answer=$("$program" complete bash -- "$line" "$COMP_WORDBREAKS" 2>/dev/null) || {
        _director "$@"
        return
    }
    mapfile -t COMPREPLY <<<"$answer"
    case ${COMPREPLY[0]} in
        files)       compopt -o bashdefault -o default 2>/dev/null ;;
        directories) compopt -o dirnames 2>/dev/null ;;
    esac
    COMPREPLY=("${COMPREPLY[@]:1}")
}
complete -o nosort -F _director_asks director
