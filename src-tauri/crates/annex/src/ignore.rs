//! Which untracked files git ignores: `.gitignore`, `.git/info/exclude` and `core.excludesFile`, by git's rules.
//!
//! libgit2 can tell too, but reads the rules of all directories again for each path.

use bstr::ByteSlice;

/// A pattern of git, ready to be compared with a path.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    tokens: Vec<Token>,
    /// No token but [`Token::Byte`] is in it.
    is_literal: bool,
    negated: bool,
    directories_only: bool,
    /// Compared with the last component alone, since there is no slash in it.
    name_only: bool,
    /// Where it stands in its file, from 1.
    line: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Byte(u8),
    /// `?`
    Any,
    /// `[…]`
    Class {
        negated: bool,
        ranges: Vec<(u8, u8)>,
    },
    /// `*`
    Star,
    /// `**/`: any number of directories, also none.
    Directories,
    /// `**` at the end.
    Rest,
}

/// The pattern that decides about a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IgnoreRule {
    pub(crate) file: RulesFile,
    /// From 1.
    pub(crate) line: usize,
    /// It says that the path is not ignored.
    negated: bool,
}

/// The file that a pattern stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RulesFile {
    /// The `.gitignore` of the directory whose path, its slash included, is so long a part of the path.
    Gitignore(usize),
    /// `.git/info/exclude`.
    Exclude,
    /// `core.excludesFile`.
    ExcludesFile,
}

/// The patterns of one file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Patterns(Vec<Pattern>);

/// All patterns that apply in one directory of the work tree.
#[derive(Debug)]
pub(crate) struct Ignore {
    fold_case: bool,
    /// For the whole work tree: the ones that decide first come first.
    shared: [(RulesFile, Patterns); 2],
    /// `.gitignore` files from the top down to here, each with the length of its directory's path (its slash included).
    levels: Vec<(usize, Patterns)>,
}

impl Ignore {
    /// Starts with the contents of `.git/info/exclude` and `core.excludesFile`.
    pub(crate) fn new(exclude: &[u8], excludes_file: &[u8], fold_case: bool) -> Self {
        let read = |content| Patterns::parse(content, fold_case);
        Self {
            fold_case,
            shared: [
                (RulesFile::Exclude, read(exclude)),
                (RulesFile::ExcludesFile, read(excludes_file)),
            ],
            levels: Vec::new(),
        }
    }

    /// Adds the `.gitignore` of a directory below those added before. `prefix` is the length of the directory's path
    /// with its slash.
    pub(crate) fn enter(&mut self, prefix: usize, content: &[u8]) {
        self.levels.push((prefix, Patterns::parse(content, self.fold_case)));
    }

    /// How many directories have been entered: for [`Ignore::leave_to`].
    pub(crate) fn depth(&self) -> usize {
        self.levels.len()
    }

    /// Takes back what was entered since then.
    pub(crate) fn leave_to(&mut self, depth: usize) {
        self.levels.truncate(depth);
    }

    /// True if git ignores an untracked file or directory at `path`. That no directory above it is ignored is the
    /// caller's to know.
    pub(crate) fn covers(&self, path: &[u8], is_directory: bool) -> bool {
        self.rule(path, is_directory).is_some()
    }

    /// The rule by which git ignores it.
    pub(crate) fn rule(&self, path: &[u8], is_directory: bool) -> Option<IgnoreRule> {
        let folded;
        let path = match self.fold_case {
            true => {
                folded = path.to_ascii_lowercase();
                &folded
            }
            false => path,
        };
        let levels = self.levels.iter().rev();
        let levels = levels.map(|(prefix, patterns)| (RulesFile::Gitignore(*prefix), *prefix, patterns));
        let shared = self.shared.iter().map(|(file, patterns)| (*file, 0, patterns));
        let found = levels.chain(shared).find_map(|(file, prefix, patterns)| {
            let pattern = patterns.deciding(path.get(prefix..)?, is_directory)?;
            Some(IgnoreRule {
                file,
                line: pattern.line,
                negated: pattern.negated,
            })
        });
        found.filter(|rule| !rule.negated)
    }
}

impl Patterns {
    fn parse(content: &[u8], fold_case: bool) -> Self {
        let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
        Self(
            content
                .lines()
                .zip(1..)
                .filter_map(|(text, line)| Pattern::parse(text, line, fold_case))
                .collect(),
        )
    }

    /// The last pattern that matches decides; none if none does.
    fn deciding(&self, path: &[u8], is_directory: bool) -> Option<&Pattern> {
        self.0.iter().rev().find(|pattern| pattern.matches(path, is_directory))
    }
}

impl Pattern {
    fn parse(text: &[u8], line: usize, fold_case: bool) -> Option<Self> {
        let pattern = match text.starts_with(b"#") {
            true => None,
            false => Self::of(without_trailing_spaces(text), fold_case),
        };
        pattern.map(|pattern| Self { line, ..pattern })
    }

    /// Reads a pattern that has nothing around it; none if it can match nothing. A path that it is compared with must be in
    /// lower case if `fold_case` is true.
    pub(crate) fn of(mut text: &[u8], fold_case: bool) -> Option<Self> {
        let negated = text.starts_with(b"!");
        if negated {
            text = &text[1..];
        }
        let directories_only = text.ends_with(b"/");
        if directories_only {
            text = &text[..text.len() - 1];
        }
        let name_only = !text.contains(&b'/');
        let text = text.strip_prefix(b"/").unwrap_or(text);
        if text.is_empty() {
            return None;
        }
        let folded = if fold_case {
            text.to_ascii_lowercase()
        } else {
            text.to_owned()
        };
        // A pattern that is not well-formed matches nothing, as in git.
        let tokens = tokens(&folded)?;
        Some(Self {
            is_literal: tokens.iter().all(|token| matches!(token, Token::Byte(_))),
            tokens,
            negated,
            directories_only,
            name_only,
            line: 1,
        })
    }

    /// True if it matches `path`, relative to the directory that the pattern is of. That the pattern is negated is not considered.
    pub(crate) fn matches(&self, path: &[u8], is_directory: bool) -> bool {
        if self.directories_only && !is_directory {
            return false;
        }
        let path = match self.name_only {
            true => path.rsplit_once_str(b"/").map_or(path, |(_, name)| name),
            false => path,
        };
        if self.is_literal {
            return self.tokens.len() == path.len()
                && self.tokens.iter().zip(path).all(|(token, &b)| *token == Token::Byte(b));
        }
        all_of(&self.tokens, path)
    }
}

/// Compares by keeping, for each position of the path, whether the tokens so far lead there: no pattern, however many
/// stars it has, takes longer than its length times that of the path.
fn all_of(tokens: &[Token], path: &[u8]) -> bool {
    let mut reached = vec![false; path.len() + 1];
    reached[0] = true;
    for token in tokens {
        match token {
            Token::Star => {
                for at in 0..path.len() {
                    reached[at + 1] |= reached[at] && path[at] != b'/';
                }
            }
            Token::Rest => {
                let first = reached.iter().position(|&r| r).unwrap_or(reached.len());
                reached[first..].fill(true);
            }
            Token::Directories => {
                let mut started = false;
                for at in 0..=path.len() {
                    let here = reached[at];
                    reached[at] |= started && path[at - 1] == b'/';
                    started |= here;
                }
            }
            Token::Byte(_) | Token::Any | Token::Class { .. } => {
                for at in (0..path.len()).rev() {
                    reached[at + 1] = reached[at] && token.is(path[at]);
                }
                reached[0] = false;
            }
        }
    }
    reached[path.len()]
}

impl Token {
    fn is(&self, byte: u8) -> bool {
        match self {
            Token::Byte(expected) => *expected == byte,
            Token::Any => byte != b'/',
            Token::Class { negated, ranges } => {
                byte != b'/' && *negated != ranges.iter().any(|&(from, to)| (from..=to).contains(&byte))
            }
            Token::Star | Token::Directories | Token::Rest => false,
        }
    }
}

fn tokens(text: &[u8]) -> Option<Vec<Token>> {
    let mut tokens = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'\\' => {
                tokens.push(Token::Byte(*text.get(at + 1)?));
                at += 2;
            }
            b'?' => {
                tokens.push(Token::Any);
                at += 1;
            }
            b'[' => {
                let (class, length) = class(&text[at..])?;
                tokens.push(class);
                at += length;
            }
            b'*' => {
                let stars = text[at..].iter().take_while(|&&b| b == b'*').count();
                let begins = at == 0 || text[at - 1] == b'/';
                let after = text.get(at + stars);
                at += stars;
                match after {
                    None if stars > 1 && begins => tokens.push(Token::Rest),
                    Some(b'/') if stars > 1 && begins => {
                        tokens.push(Token::Directories);
                        at += 1;
                    }
                    _ => tokens.push(Token::Star),
                }
            }
            byte => {
                tokens.push(Token::Byte(byte));
                at += 1;
            }
        }
    }
    Some(tokens)
}

/// Reads a bracket expression; returns it with its length.
fn class(text: &[u8]) -> Option<(Token, usize)> {
    let mut at = 1;
    let negated = matches!(text.get(at)?, b'!' | b'^');
    at += usize::from(negated);
    let (mut ranges, first) = (Vec::new(), at);
    loop {
        match *text.get(at)? {
            b']' if at > first => break,
            b'[' if text.get(at + 1) == Some(&b':') => {
                let end = at + 2 + text[at + 2..].find(b":]")?;
                ranges.extend_from_slice(named_class(&text[at + 2..end])?);
                at = end + 2;
                continue;
            }
            _ => {}
        }
        let (from, length) = unescaped(&text[at..])?;
        at += length;
        let is_range = text.get(at) == Some(&b'-') && text.get(at + 1).is_some_and(|&b| b != b']');
        let to = match is_range {
            true => {
                let (to, length) = unescaped(&text[at + 1..])?;
                at += 1 + length;
                to
            }
            false => from,
        };
        ranges.push((from, to));
    }
    Some((Token::Class { negated, ranges }, at + 1))
}

fn unescaped(text: &[u8]) -> Option<(u8, usize)> {
    match text.first()? {
        b'\\' => Some((*text.get(1)?, 2)),
        &byte => Some((byte, 1)),
    }
}

fn named_class(name: &[u8]) -> Option<&'static [(u8, u8)]> {
    Some(match name {
        b"alnum" => &[(b'0', b'9'), (b'A', b'Z'), (b'a', b'z')],
        b"alpha" => &[(b'A', b'Z'), (b'a', b'z')],
        b"blank" => &[(b' ', b' '), (b'\t', b'\t')],
        b"cntrl" => &[(0, 31), (127, 127)],
        b"digit" => &[(b'0', b'9')],
        b"graph" => &[(33, 126)],
        b"lower" => &[(b'a', b'z')],
        b"print" => &[(32, 126)],
        b"punct" => &[(33, 47), (58, 64), (91, 96), (123, 126)],
        b"space" => &[(9, 13), (b' ', b' ')],
        b"upper" => &[(b'A', b'Z')],
        b"xdigit" => &[(b'0', b'9'), (b'A', b'F'), (b'a', b'f')],
        _ => return None,
    })
}

/// Spaces at the end do not count unless escaped.
fn without_trailing_spaces(line: &[u8]) -> &[u8] {
    let mut end = line.len();
    while end > 0 && line[end - 1] == b' ' {
        let escapes = line[..end - 1].iter().rev().take_while(|&&b| b == b'\\').count();
        if escapes % 2 == 1 {
            break;
        }
        end -= 1;
    }
    &line[..end]
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::{Ignore, RulesFile};

    const RULES: &[u8] = b"# a comment\r\n\\#literal\n*.o\n!keep.o\n/top\nbuild/\nfoo/bar\n**/deep\nabc/**\na/**/z\n\
        [a-c]x\n[!a-c]y\n[[:digit:]]n\nsp \nesc\\ \n*a*a*b\nw?ld\nx**y\n!\n/\n[unclosed\ntrail\\\nb\\*c\n[]]q\n[^]-]r\nmid/*/end\n";

    /// git itself says what is right.
    #[test]
    fn decides_as_git_does() {
        let folder = tempfile::tempdir().unwrap();
        let git = |args: &[&str]| {
            let mut command = Command::new("git");
            command.args(args).current_dir(folder.path()).env("HOME", folder.path());
            command.env("XDG_CONFIG_HOME", folder.path());
            command
        };
        assert!(git(&["init", "-q"]).status().unwrap().success());
        std::fs::write(folder.path().join(".gitignore"), RULES).unwrap();
        std::fs::write(folder.path().join(".git/info/exclude"), "excluded\nkeep.o\n").unwrap();
        let names: Vec<&str> = "#literal,a.o,keep.o,d/keep.o,top,d/top,build,foo/bar,d/foo/bar,deep,d/deep,d/e/deep,\
            abc,abc/d,abc/d/e,a/z,a/b/z,a/b/c/z,ax,dx,d/cx,ay,dy,5n,xn,sp,sp ,esc ,esc,aab,xaxaxb,aaaa,wild,wld,xy,xaby,\
            x/y,[unclosed,trail,b*c,bxc,]q,ar,-r,]r,mid/a/end,mid/a/b/end,excluded,d/excluded,\u{e9}.o,.hidden,d/.o"
            .split(',')
            .collect();
        let mut check = git(&["check-ignore", "--stdin", "-z", "--no-index"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        check
            .stdin
            .take()
            .unwrap()
            .write_all(names.join("\0").as_bytes())
            .unwrap();
        let output = check.wait_with_output().unwrap();
        let ignored: Vec<&[u8]> = output.stdout.split(|&b| b == 0).collect();
        let mut rules = Ignore::new(b"excluded\nkeep.o\n", b"", false);
        rules.enter(0, RULES);
        for name in &names {
            let above = name
                .match_indices('/')
                .any(|(at, _)| rules.covers(&name.as_bytes()[..at], true));
            assert_eq!(
                above || rules.covers(name.as_bytes(), false),
                ignored.contains(&name.as_bytes()),
                "{name:?}"
            );
        }
        assert!(ignored.len() > 20, "git was asked");
    }

    #[test]
    fn many_stars_take_no_time() {
        let mut rules = Ignore::new(&b"*a".repeat(200), b"", false);
        rules.enter(0, b"");
        assert!(!rules.covers(&[b'a'; 250].map(|_| b'b'), false));
    }

    #[test]
    fn directories_and_levels_and_case() {
        let mut rules = Ignore::new(b"", b"Global", true);
        rules.enter(0, b"build/\n*.TMP\n");
        rules.enter(2, b"!x.tmp\n/anchored\n");
        assert!(rules.covers(b"d/build", true) && !rules.covers(b"d/build", false));
        assert!(!rules.covers(b"d/X.tmp", false) && rules.covers(b"d/y.Tmp", false));
        assert!(rules.covers(b"d/anchored", false) && !rules.covers(b"d/e/anchored", false));
        assert!(rules.covers(b"global", false));
        let rule = |path: &[u8]| rules.rule(path, false).map(|rule| (rule.file, rule.line));
        assert_eq!(rule(b"d/y.tmp"), Some((RulesFile::Gitignore(0), 2)));
        assert_eq!(rule(b"d/x.tmp"), None);
        assert_eq!(rule(b"d/anchored"), Some((RulesFile::Gitignore(2), 2)));
        assert_eq!(rule(b"d/global"), Some((RulesFile::ExcludesFile, 1)));
        rules.leave_to(1);
        assert!(rules.covers(b"d/x.tmp", false));
    }
}
