use super::term::{Term, Terms};
use super::tree::{Body, Operand, Operator, Sequence};

/// Why a text is not an expression. Such a text is kept where it is stored: another version may know its terms.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// A word that is no term, or none that is allowed here.
    #[error("“{0}” is not a term that can be used here")]
    UnknownTerm(String),
    /// A term with a value that it cannot have.
    #[error("“{0}” has a value that does not fit")]
    BadValue(String),
    /// More parentheses within each other than anyone writes.
    #[error("it has more than 200 parentheses within each other")]
    TooDeep,
    /// `standard` in a repository that is in none, or in several, of the standard groups.
    #[error("“standard” needs the repository to be in exactly one standard group")]
    NoStandardGroup,
    /// `groupwanted` in a repository of which not exactly one group has an expression.
    #[error("“groupwanted” needs exactly one of the repository's groups to have an expression")]
    NoGroupExpression,
}

/// Each level is a stack frame when parsing, evaluating and freeing.
const DEPTH_LIMIT: usize = 200;

pub(super) fn parse(text: &str, terms: Terms) -> Result<Sequence, ParseError> {
    let mut words = Words { rest: text, terms };
    let mut sequence = words.sequence(0)?;
    // A closing parenthesis that nothing opened is ignored, and what follows it goes on as before.
    while words.skip(Word::Close) {
        words.go_on(&mut sequence, 0)?;
    }
    Ok(sequence)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word<'a> {
    Open,
    Close,
    Plain(&'a str),
}

struct Words<'a> {
    rest: &'a str,
    terms: Terms,
}

impl<'a> Words<'a> {
    fn peek(&mut self) -> Option<Word<'a>> {
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|c: char| c.is_whitespace() || matches!(c, '(' | ')'));
        match self.rest.chars().next()? {
            '(' => Some(Word::Open),
            ')' => Some(Word::Close),
            _ => Some(Word::Plain(&self.rest[..end.unwrap_or(self.rest.len())])),
        }
    }

    /// Takes the next word if it is `word`.
    fn skip(&mut self, word: Word<'_>) -> bool {
        let found = self.peek() == Some(word);
        if found {
            let length = if let Word::Plain(text) = word { text.len() } else { 1 };
            self.rest = &self.rest[length..];
        }
        found
    }

    /// `expr = operand { ["and" | "or"] operand }`, up to a closing parenthesis, which stays.
    fn sequence(&mut self, depth: usize) -> Result<Sequence, ParseError> {
        let mut sequence = Sequence {
            first: self.operand(depth)?,
            rest: Vec::new(),
        };
        self.go_on(&mut sequence, depth)?;
        Ok(sequence)
    }

    fn go_on(&mut self, sequence: &mut Sequence, depth: usize) -> Result<(), ParseError> {
        while !matches!(self.peek(), None | Some(Word::Close)) {
            let operator = if self.skip(Word::Plain("or")) {
                Operator::Or
            } else {
                self.skip(Word::Plain("and"));
                Operator::And
            };
            sequence.rest.push((operator, self.operand(depth)?));
        }
        Ok(())
    }

    fn operand(&mut self, depth: usize) -> Result<Operand, ParseError> {
        let mut negated = false;
        // An operator where an operand should be has "everything" on its left: `and` changes nothing, and with `or`
        // the whole is everything, whatever follows (which is still read).
        let mut everything = None;
        loop {
            if self.skip(Word::Plain("not")) {
                negated = !negated;
            } else if self.skip(Word::Plain("or")) {
                everything.get_or_insert(negated);
            } else if !self.skip(Word::Plain("and")) {
                break;
            }
        }
        let body = match self.peek() {
            None | Some(Word::Close) => Body::Everything,
            Some(Word::Open) if depth >= DEPTH_LIMIT => return Err(ParseError::TooDeep),
            Some(Word::Open) => {
                self.skip(Word::Open);
                let group = self.sequence(depth + 1)?;
                self.skip(Word::Close);
                Body::Group(group.into())
            }
            Some(word @ Word::Plain(text)) => {
                self.skip(word);
                Body::Term(Term::parse(text, self.terms)?)
            }
        };
        Ok(match everything {
            Some(negated) => Operand {
                negated,
                body: Body::Everything,
            },
            None => Operand { negated, body },
        })
    }
}
