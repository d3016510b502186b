//! Completions in real shells, where they are installed. `scripts/deps test` installs them;
//! `tests/kernel/users/` completes names of a director that runs.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{director, program};

/// The answers of a shell that has the script: words, one a line. `None` without this shell.
fn ask(shell: &str, script: &str, home: &Path) -> Option<Vec<String>> {
    let bin = home.join("bin");
    if !bin.exists() {
        fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(fs::canonicalize(program()).unwrap(), bin.join("director"))
            .unwrap();
        for shell in ["bash", "zsh", "fish"] {
            let script = director(&format!("completions {shell}"));
            assert_eq!(script.code, Some(0), "{}", script.stderr);
            fs::write(home.join(format!("_director.{shell}")), script.stdout).unwrap();
        }
    }
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let output = Command::new(shell)
        .args(["-c", script])
        .current_dir(home)
        .env("HOME", home)
        .env("PATH", path)
        .env("DIRECTOR_SOCKET", home.join("no-director.sock"))
        .output()
        .ok()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said, "", "{shell}: {script}");
    let answer = String::from_utf8(output.stdout).unwrap();
    Some(answer.lines().map(str::to_owned).collect())
}

/// Completes a line as bash does once Tab is pressed.
fn bash(line: &str, home: &Path) -> Option<Vec<String>> {
    let script = format!(
        ". ./_director.bash; COMP_LINE='{line}' COMP_POINT=${{#COMP_LINE}} COMP_WORDS=() \
         COMP_CWORD=0; _director_asks director; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    ask("bash", &script, home)
}

fn fish(line: &str, home: &Path) -> Option<Vec<String>> {
    let script = format!(". ./_director.fish; complete -C '{line}'");
    let answer = ask("fish", &script, home)?;
    let word = |line: String| line.split('\t').next().unwrap().to_owned();
    Some(answer.into_iter().map(word).collect())
}

#[test]
fn bash_and_fish_complete_verbs_options_and_their_values() {
    let home = tempfile::tempdir().unwrap();
    for (line, expected) in [
        ("director app", &["apply"][..]),
        ("director gua", &[]),
        ("director complet", &["completions"]),
        ("director schema --state", &[]),
        ("director plan --state", &["--state-dir"]),
        ("director run x --on-stop f", &["flush"]),
        ("director apply --confirm-w", &["--confirm-within"]),
        // Without a director and without its file: nothing, and no message.
        ("director drain no-such-service-", &[]),
    ] {
        for answer in [bash(line, home.path()), fish(line, home.path())] {
            let Some(mut answer) = answer else { continue };
            answer.retain(|word| !word.is_empty());
            assert_eq!(answer, expected, "{line}");
        }
    }
}

#[test]
fn a_shell_completes_paths_itself() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("shop.toml"), "").unwrap();
    fs::create_dir(home.path().join("shops")).unwrap();
    for (line, expected) in [
        ("director check sho", &["shop.toml", "shops/"][..]),
        ("director man sho", &["shops/"]),
    ] {
        let Some(answer) = fish(line, home.path()) else {
            return; // a machine without fish
        };
        assert_eq!(answer, expected, "{line}");
    }
}

#[test]
fn bash_loads_the_script_through_bash_completion_and_completes_files() {
    let loader = "/usr/share/bash-completion/bash_completion";
    if !Path::new(loader).exists() {
        return; // a machine without bash-completion
    }
    let home = tempfile::tempdir().unwrap();
    let installed = home.path().join("completions");
    fs::create_dir(&installed).unwrap();
    let script = director("completions bash").stdout;
    fs::write(installed.join("director"), script).unwrap();
    let script = format!(
        "BASH_COMPLETION_USER_DIR=$PWD; . {loader}; _completion_loader director; \
         complete -p director"
    );
    let answer = ask("bash", &script, home.path()).unwrap();
    let loaded = answer.join(" ");
    assert!(loaded.contains("-F _director_asks director"), "{loaded}");
}

#[test]
fn without_the_program_bash_and_zsh_know_the_verbs_of_their_script() {
    let home = tempfile::tempdir().unwrap();
    let script = ". ./_director.bash; COMP_WORDS=(/no/director app) COMP_CWORD=1 \
                  COMP_LINE='/no/director app' COMP_POINT=16; \
                  _director_asks /no/director app /no/director; printf '%s\\n' \"${COMPREPLY[@]}\"";
    assert_eq!(ask("bash", script, home.path()).unwrap(), ["apply"]);
}

#[test]
fn zsh_asks_the_program() {
    let home = tempfile::tempdir().unwrap();
    // A pseudo-terminal of zsh's own: its completions exist only in a line that is being edited.
    // What it waits for is never typed. Every wait ends with `timeout`.
    let script = r#"timeout 120 zsh -f -c '
        zmodload zsh/zpty; zpty z zsh -f -i
        zpty -w z "PS1=; autoload -U compinit; compinit -D -u; . ./_director.zsh; echo rea\"\"dy"
        zpty -r z said "*ready*"
        zpty -n -w z "director apply --confirm-w"$'\''\t'\''
        zpty -r z said "*--confirm-within*"
        print -r -- "$said"'"#;
    let Some(answer) = ask("zsh", script, home.path()) else {
        return; // a machine without zsh
    };
    let answer = answer.join("\n");
    assert!(answer.contains("--confirm-within"), "{answer}");
}
