//! Words from a list: forwarding methods, roles, schedulers.

use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Findings};
use super::super::dialects;
use super::super::source::Span;
use super::super::suggest::nearest;
use super::super::vocabulary::Word;
use super::fields::{Field, shown};

/// A word of a closed list.
pub(crate) fn word(
    field: &Field<'_>,
    words: &'static [Word],
    findings: &mut Findings,
) -> Option<&'static str> {
    let text = field.text(findings)?;
    let known = words.iter().find(|word| word.name == text.value);
    if known.is_none() {
        findings.push(unknown(text.value, field.span(), words));
    }
    known.map(|word| word.name)
}

/// The diagnostic for a word that is not in the list.
pub(crate) fn unknown(typed: &str, span: Span, words: &'static [Word]) -> Diagnostic {
    let message = format!("`{}` is not one of the words allowed here", shown(typed));
    let mistake = Diagnostic::new(Code::UnknownWord, span, message);
    let mistake = match meant(typed, words) {
        Some(near) => mistake.label(format!("did you mean `{near}`?")),
        None => mistake.label("unknown word"),
    };
    explained(mistake.help(one_of(words)), typed, words)
}

/// The possible words.
pub(crate) fn one_of(words: &'static [Word]) -> String {
    let usual = words.iter().filter(|word| !word.odd);
    let names: Vec<_> = usual.map(|word| word.name).collect();
    format!("one of: {}", names.join(", "))
}

/// Adds how a word of another program differs from ours.
pub(crate) fn explained(mistake: Diagnostic, typed: &str, words: &[Word]) -> Diagnostic {
    match dialects::value(typed, words) {
        Some((_, Some(help))) => mistake.reason(help),
        _ => mistake,
    }
}

/// The intended word: an alias, another program's word, or a near match.
pub(crate) fn meant(typed: &str, words: &'static [Word]) -> Option<&'static str> {
    let lower = typed.to_lowercase();
    words
        .iter()
        .find(|word| word.aliases.contains(&lower.as_str()))
        .map(|word| word.name)
        .or_else(|| dialects::value(typed, words).map(|(ours, _)| ours))
        .or_else(|| nearest(typed, words.iter().map(|word| word.name)))
}
