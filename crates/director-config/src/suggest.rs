//! `did you mean` suggestions.

/// The word nearest to the typed one, if it is near enough.
pub(super) fn nearest<'w>(
    typed: &str,
    words: impl IntoIterator<Item = &'w str>,
) -> Option<&'w str> {
    // Long input is not a misspelling, and the distance is quadratic.
    if typed.len() > 40 {
        return None;
    }
    let lower = typed.to_lowercase();
    let allowed = |word: &str| match word.len().max(typed.len()) {
        0..=1 => 0,
        2..=4 => 1,
        5..=8 => 2,
        _ => 3,
    };
    words
        .into_iter()
        .map(|word| (distance(&lower, word), word))
        .filter(|(distance, word)| *distance <= allowed(word))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// The number of edits between two words: a character inserted, deleted, replaced, or swapped with
/// the next.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in right.iter().enumerate() {
            let replaced = above[j] + usize::from(a != b);
            let mut edits = replaced.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == right[j - 1] && left[i - 1] == *b {
                edits = edits.min(before[j - 1] + 1);
            }
            row.push(edits);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_meant_and_far_ones_are_not() {
        let words = ["listen", "scheduler", "servers", "pool", "wlc"];
        assert_eq!(nearest("schduler", words), Some("scheduler"));
        assert_eq!(nearest("Listen", words), Some("listen"));
        assert_eq!(nearest("lsiten", words), Some("listen"));
        assert_eq!(nearest("wcl", words), Some("wlc"));
        assert_eq!(nearest("colour", words), None);
        assert_eq!(nearest("", words), None);
        assert_eq!(nearest(&"scheduler".repeat(1000), words), None);
    }
}
