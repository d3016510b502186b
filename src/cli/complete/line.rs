//! The line that bash completes. Bash splits words also at characters such as `:` and `=`, replaces
//! only what stands after the last of these, and leaves quotes in.

/// The words up to the cursor, as the shell would pass them on.
pub(super) struct Line {
    words: Vec<String>,
    /// Where in the last word what bash replaces begins.
    replaced: usize,
    /// Whether what is replaced stands in quotes, so that bash adds none.
    quoted: bool,
}

impl Line {
    /// `breaks` is bash's `COMP_WORDBREAKS`.
    pub(super) fn new(line: &str, breaks: &str) -> Self {
        let mut read = Self {
            words: Vec::new(),
            replaced: 0,
            quoted: false,
        };
        let (mut word, mut started, mut quote) = (String::new(), false, None);
        let mut letters = line.chars();
        while let Some(letter) = letters.next() {
            match (letter, quote) {
                (letter, Some(open)) if letter == open => quote = None,
                ('\'' | '"', None) => {
                    quote = Some(letter);
                    started = true;
                    read.replaced = word.len();
                }
                ('\\', None | Some('"')) => {
                    started = true;
                    word.extend(letters.next());
                }
                (letter, None) if letter.is_whitespace() => {
                    if started {
                        read.words.push(std::mem::take(&mut word));
                    }
                    (started, read.replaced) = (false, 0);
                }
                (letter, _) => {
                    started = true;
                    word.push(letter);
                    if quote.is_none() && breaks.contains(letter) {
                        read.replaced = word.len();
                    }
                }
            }
        }
        read.words.push(word);
        read.quoted = quote.is_some();
        read
    }

    /// The words; the last one is the one at the cursor, and may be empty.
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        self.words.iter().map(String::as_str)
    }

    /// What bash inserts so that the last word becomes this.
    pub(super) fn inserted(&self, value: &str) -> String {
        let before = self.words.last().and_then(|word| word.get(..self.replaced));
        let rest = before.and_then(|before| value.strip_prefix(before));
        let rest = rest.unwrap_or(value);
        if self.quoted {
            return rest.to_owned();
        }
        let mut text = String::with_capacity(rest.len());
        for letter in rest.chars() {
            // What means something to a shell; `:` and `=` do not where they stand.
            if letter.is_ascii()
                && !letter.is_ascii_alphanumeric()
                && !"-_./:=@%+,[]^".contains(letter)
            {
                text.push('\\');
            }
            text.push(letter);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BREAKS: &str = " \t\n\"'><=;|&(:";

    fn words(line: &str) -> Vec<String> {
        Line::new(line, BREAKS).words().map(str::to_owned).collect()
    }

    #[test]
    fn words_are_those_that_the_program_would_get() {
        assert_eq!(words("director"), ["director"]);
        assert_eq!(words("director  status "), ["director", "status", ""]);
        assert_eq!(
            words("d --reason 'a b' \"c d\""),
            ["d", "--reason", "a b", "c d"]
        );
        assert_eq!(words("d my\\ web"), ["d", "my web"]);
        assert_eq!(words("d 'my we"), ["d", "my we"]);
        assert_eq!(words("d ''"), ["d", ""]);
        assert_eq!(words(""), [""]);
        assert_eq!(words("d \\"), ["d", ""]);
    }

    #[test]
    fn bash_gets_what_stands_after_the_last_break() {
        for (line, value, inserted) in [
            ("d tcp://192", "tcp://192.0.2.10:80", "//192.0.2.10:80"),
            ("d tcp://192.0.2.10:", "tcp://192.0.2.10:80", "80"),
            ("d tcp", "tcp://[::1]:80", "tcp://[::1]:80"),
            ("d --format=js", "--format=json", "json"),
            ("d 'tcp://1", "tcp://192.0.2.10:80", "tcp://192.0.2.10:80"),
            ("d my", "my web", "my\\ web"),
            ("d 'my", "my web", "my web"),
            ("d ", "a$b", "a\\$b"),
        ] {
            assert_eq!(Line::new(line, BREAKS).inserted(value), inserted, "{line}");
        }
        // Without `:` among the breaks the whole word is replaced.
        assert_eq!(Line::new("d tcp:", " =").inserted("tcp://a"), "tcp://a");
    }
}
