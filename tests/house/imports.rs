//! Which modules a source file names: `use` lines and paths in the code, without what is only
//! compiled for tests.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A path from the crate's root, without `crate`.
pub(crate) type Path = Vec<String>;

/// The modules of one crate, and which paths of it each names.
pub(crate) struct Sources {
    modules: BTreeMap<Path, Vec<Path>>,
    /// Compiled for tests only, as are all below them.
    for_tests: BTreeSet<Path>,
}

impl Sources {
    /// Takes files by their paths below `src`.
    pub(crate) fn new(files: &[(String, String)]) -> Self {
        let known: BTreeSet<Path> = files.iter().map(|(file, _)| module(file)).collect();
        let (mut modules, mut for_tests) = (BTreeMap::new(), BTreeSet::new());
        for (file, text) in files {
            let tokens = text.parse();
            let tokens = tokens.unwrap_or_else(|error| panic!("{file}: {error}"));
            let module = module(file);
            let mut reader = Reader {
                known: &known,
                file: &module,
                paths: Vec::new(),
                for_tests: Vec::new(),
            };
            reader.read(tokens, &module);
            for_tests.extend(reader.for_tests);
            modules.insert(module.clone(), reader.paths);
        }
        Self { modules, for_tests }
    }

    fn is_for_tests(&self, module: &[String]) -> bool {
        // `#[path = "answer_tests.rs"] mod tests;`
        let named = module.last().is_some_and(|name| name.ends_with("_tests"));
        named || (0..=module.len()).any(|end| self.for_tests.contains(&module[..end]))
    }

    /// The modules directly below one.
    pub(crate) fn children(&self, parent: &[String]) -> BTreeSet<String> {
        let below = self.modules.keys().filter(|path| {
            path.len() > parent.len() && path.starts_with(parent) && !self.is_for_tests(path)
        });
        below.map(|path| path[parent.len()].clone()).collect()
    }

    /// What the children of a module name of each other and of the module itself.
    pub(crate) fn arrows(&self, parent: &[String]) -> Vec<Arrow> {
        let (children, shared) = (self.children(parent), self.shared(parent));
        let mut arrows = Vec::new();
        for (module, paths) in &self.modules {
            let is_below = module.len() > parent.len() && module.starts_with(parent);
            if !is_below || self.is_for_tests(module) {
                continue;
            }
            let from = &module[parent.len()];
            for path in paths {
                let Some(below) = path.strip_prefix(parent) else {
                    continue;
                };
                let Some(first) = below.first() else { continue };
                let to = match children.contains(first) {
                    true => first,
                    false => shared.get(first).unwrap_or(first),
                };
                if to != from {
                    arrows.push(Arrow {
                        from: from.clone(),
                        to: to.clone(),
                        module: module.clone(),
                        path: path.clone(),
                    });
                }
            }
        }
        arrows
    }

    /// What a module takes from its children and hands on under its own name, and from which.
    fn shared(&self, parent: &[String]) -> BTreeMap<String, String> {
        let paths = self.modules.get(parent).into_iter().flatten();
        let below = paths.filter_map(|path| {
            let below = path.strip_prefix(parent)?;
            (below.len() > 1).then(|| (below[below.len() - 1].clone(), below[0].clone()))
        });
        below.collect()
    }
}

/// A module names another one.
pub(crate) struct Arrow {
    pub(crate) from: String,
    pub(crate) to: String,
    /// Which file of `from`.
    pub(crate) module: Path,
    pub(crate) path: Path,
}

/// The module that a file below `src` is.
fn module(file: &str) -> Path {
    let file = file.trim_end_matches(".rs");
    let mut path: Path = file.split('/').map(str::to_owned).collect();
    let last = path.last().map(String::as_str);
    if matches!(last, Some("mod")) || path.len() == 1 && matches!(last, Some("lib" | "main")) {
        path.pop();
    }
    path
}

/// Reads one file.
struct Reader<'s> {
    /// All modules of the crate.
    known: &'s BTreeSet<Path>,
    file: &'s [String],
    paths: Vec<Path>,
    for_tests: Vec<Path>,
}

impl Reader<'_> {
    /// Reads what stands in a module or a block of it.
    fn read(&mut self, tokens: TokenStream, module: &[String]) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            at = self.item(&tokens, at, module);
        }
    }

    /// Reads what begins here, and returns where the next thing begins.
    fn item(&mut self, tokens: &[TokenTree], at: usize, module: &[String]) -> usize {
        match &tokens[at] {
            TokenTree::Punct(mark) if mark.as_char() == '#' => match tokens.get(at + 1) {
                Some(TokenTree::Group(attribute)) => {
                    match attribute.stream().to_string().as_str() {
                        "cfg (test)" | "cfg(test)" => self.skip(tokens, at + 2, module),
                        _ => at + 2,
                    }
                }
                _ => at + 1,
            },
            TokenTree::Ident(word) if *word == "pub" => match tokens.get(at + 1) {
                Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis => {
                    at + 2
                }
                _ => at + 1,
            },
            TokenTree::Ident(word) if *word == "mod" => {
                let (name, body) = (tokens.get(at + 1), tokens.get(at + 2));
                if let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) = (name, body) {
                    let inner = [module, &[name.to_string()]].concat();
                    self.read(body.stream(), &inner);
                }
                at + 3
            }
            TokenTree::Ident(word) if *word == "use" => self.tree(tokens, at + 1, &[], module),
            TokenTree::Ident(_) => {
                let (path, next) = path(tokens, at);
                if path.len() > 1 {
                    self.note(&path, module);
                }
                next
            }
            TokenTree::Group(group) => {
                self.read(group.stream(), module);
                at + 1
            }
            _ => at + 1,
        }
    }

    /// Reads one branch of a `use`, up to its comma or semicolon.
    fn tree(
        &mut self,
        tokens: &[TokenTree],
        at: usize,
        stem: &[String],
        module: &[String],
    ) -> usize {
        let (mut path, mut next) = path(tokens, at);
        path.splice(0..0, stem.iter().cloned());
        let mut is_group = false;
        while let Some(token) = tokens.get(next) {
            next += 1;
            match token {
                TokenTree::Punct(mark) if matches!(mark.as_char(), ';' | ',') => break,
                TokenTree::Group(group) => {
                    is_group = true;
                    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                    let mut at = 0;
                    while at < inner.len() {
                        at = self.tree(&inner, at, &path, module);
                    }
                }
                // `::{`, `::*`, `as Name`.
                _ => {}
            }
        }
        if !is_group {
            path.retain(|word| word != "self");
            self.note(&path, module);
        }
        next
    }

    /// Skips an item that is compiled for tests only, and notes it if it is a module in a file.
    fn skip(&mut self, tokens: &[TokenTree], mut at: usize, module: &[String]) -> usize {
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token {
                TokenTree::Ident(word) if *word == "mod" => {
                    if let Some(TokenTree::Ident(name)) = tokens.get(at) {
                        self.for_tests.push([module, &[name.to_string()]].concat());
                    }
                }
                TokenTree::Punct(mark) if mark.as_char() == ';' => break,
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => break,
                _ => {}
            }
        }
        at
    }

    /// Notes a path as seen from a module, if it leads to one of this crate.
    fn note(&mut self, path: &[String], module: &[String]) {
        let Some(first) = path.first() else { return };
        let mut from = module.to_vec();
        let mut rest = path;
        match first.as_str() {
            "crate" => {
                from.clear();
                rest = &path[1..];
            }
            "super" | "self" => {
                while let Some(word) = rest.first()
                    && matches!(word.as_str(), "super" | "self")
                {
                    if word == "super" {
                        from.pop();
                    }
                    rest = &rest[1..];
                }
            }
            child => {
                let mut there = self.file.to_vec();
                there.push(child.to_owned());
                if !self.known.contains(&there) {
                    return;
                }
            }
        }
        from.extend_from_slice(rest);
        self.paths.push(from);
    }
}

/// The words from here on that are joined by `::`, and where what follows them begins.
fn path(tokens: &[TokenTree], mut at: usize) -> (Path, usize) {
    let is_colon = |at: usize| {
        let token = tokens.get(at);
        matches!(token, Some(TokenTree::Punct(mark)) if mark.as_char() == ':')
    };
    let mut path = Path::new();
    while let Some(TokenTree::Ident(word)) = tokens.get(at) {
        path.push(word.to_string());
        at += 1;
        match tokens.get(at + 2) {
            Some(TokenTree::Ident(_)) if is_colon(at) && is_colon(at + 1) => at += 2,
            _ => break,
        }
    }
    (path, at)
}
