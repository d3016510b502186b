//! `director completions`: clap's script, which knows verbs and options. For bash, zsh and fish it
//! asks the program instead (`complete/`), as long as that runs.

use clap_complete::Shell;

use super::args::Completions;
use super::command;
use super::exit::Exit;
use super::output::print;

pub(crate) fn run(verb: &Completions) -> anyhow::Result<Exit> {
    print(&script(verb.shell))?;
    Ok(Exit::Done)
}

fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command::shown(), "director", &mut script);
    let script = String::from_utf8_lossy(&script);
    match shell {
        Shell::Bash => format!("{script}{}", include_str!("complete/director.bash")),
        Shell::Zsh => zsh(&script),
        Shell::Fish => {
            let alone = script.replace('\n', "\n    ");
            let asks = include_str!("complete/director.fish");
            format!(
                "if not type --query director\n    {}\nend\n{asks}",
                alone.trim_end()
            )
        }
        _ => script.into_owned(),
    }
}

/// zsh calls `_director`, so clap's gets another name.
fn zsh(script: &str) -> String {
    let script = script.replacen("\n_director() {", "\n_director_alone() {", 1);
    let asks = include_str!("complete/director.zsh");
    match script.split_once("\nif [ \"$funcstack[1]\"") {
        Some((functions, end)) => format!("{functions}\n{asks}if [ \"$funcstack[1]\"{end}"),
        None => format!("{script}\n{asks}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scripts_of_clap_are_as_they_are_changed_here() {
        let zsh = script(Shell::Zsh);
        for part in [
            "\n_director_alone() {",
            "\n_director() {",
            "compdef _director director",
        ] {
            assert_eq!(zsh.matches(part).count(), 1, "{part}");
        }
        for shell in [
            Shell::Bash,
            Shell::Zsh,
            Shell::Fish,
            Shell::Elvish,
            Shell::PowerShell,
        ] {
            assert!(!script(shell).contains("guard"), "{shell}");
        }
    }
}
