# Asks the program, which knows services and servers; if it does not run, the words above.
_director() {
    local answer kind line
    local -a found
    answer=$(${(Q)words[1]/#\~/$HOME} complete zsh -- "${(@Q)words[1,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null) || {
        _director_alone "$@"
        return
    }
    found=("${(@f)answer}")
    kind=$found[1]
    shift found
    if [[ $kind = words ]]; then
        local -a described
        for line in "${found[@]}"; do
            # `_describe` separates a word and its explanation by a colon.
            described+=("${${line%%$'\t'*}//:/\\:}${${(M)line%$'\t'*}:+:${line#*$'\t'}}")
        done
        _describe -V director described
    else
        # `--out=FILE` is one word.
        [[ $PREFIX = -*=* ]] && compset -P '*='
        if [[ $kind = files ]]; then _files; else _files -/; fi
        (( $#found )) && compadd -- "${(@)found%%$'\t'*}"
    fi
}

