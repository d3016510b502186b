
# Asks the program, which knows services and servers.
function __director_asks
    set -l words (commandline --tokenize --cut-at-cursor --current-process)
    set -l current (commandline --current-token --cut-at-cursor)
    set -l found ($words[1] complete fish -- $words $current 2>/dev/null)
    switch "$found[1]"
        case files
            __fish_complete_path (string replace --regex '^-[^=]*=' '' -- $current)
        case directories
            __fish_complete_directories (string replace --regex '^-[^=]*=' '' -- $current)
    end
    printf '%s\n' $found[2..]
end
if type --query director
    complete --command director --no-files --arguments '(__director_asks)'
end
