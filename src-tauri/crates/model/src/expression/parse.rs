use super::error::ParseError;
use super::sequence::{Body, Operand, Operator, Sequence};
use super::term::{Term, Terms};

/// Limits recursion: each level takes a stack frame to parse, evaluate and free.
const DEPTH_LIMIT: usize = 200;

pub(super) fn parse(text: &str, terms: Terms) -> Result<Sequence, ParseError> {
    Words {
        rest: text,
        terms,
        depth: 0,
    }
    .sequence()
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
    /// How many parentheses are open.
    depth: usize,
}

impl<'a> Words<'a> {
    fn peek(&mut self) -> Option<Word<'a>> {
        // An unmatched closing parenthesis is ignored.
        let is_ignored = |c: char| c.is_whitespace() || (c == ')' && self.depth == 0);
        self.rest = self.rest.trim_start_matches(is_ignored);
        let end = self.rest.find(|c: char| c.is_whitespace() || matches!(c, '(' | ')'));
        match self.rest.chars().next()? {
            '(' => Some(Word::Open),
            ')' => Some(Word::Close),
            _ => Some(Word::Plain(&self.rest[..end.unwrap_or(self.rest.len())])),
        }
    }

    /// Consumes the next word if it is `word`.
    fn skip(&mut self, word: Word<'_>) -> bool {
        let found = self.peek() == Some(word);
        if found {
            let length = if let Word::Plain(text) = word { text.len() } else { 1 };
            self.rest = &self.rest[length..];
        }
        found
    }

    /// `expr = operand { ["and" | "or"] operand }`, up to a closing parenthesis, which is not consumed.
    fn sequence(&mut self) -> Result<Sequence, ParseError> {
        let mut sequence = Sequence {
            first: self.operand()?,
            rest: Vec::new(),
        };
        while !matches!(self.peek(), None | Some(Word::Close)) {
            let operator = if self.skip(Word::Plain("or")) {
                Operator::Or
            } else {
                self.skip(Word::Plain("and"));
                Operator::And
            };
            sequence.rest.push((operator, self.operand()?));
        }
        Ok(sequence)
    }

    fn operand(&mut self) -> Result<Operand, ParseError> {
        // A missing left operand counts as "everything": `and` then changes nothing, and `or` makes the whole match
        // everything, whatever follows. The rest is still parsed and kept for `is_unstable`.
        let mut everything_or = None;
        let mut negated = false;
        loop {
            if self.skip(Word::Plain("not")) {
                negated = !negated;
            } else if self.skip(Word::Plain("or")) {
                everything_or.get_or_insert_with(|| std::mem::take(&mut negated));
            } else if !self.skip(Word::Plain("and")) {
                break;
            }
        }
        let body = match self.peek() {
            None | Some(Word::Close) => Body::Everything,
            Some(Word::Open) if self.depth >= DEPTH_LIMIT => return Err(ParseError::TooDeep),
            Some(Word::Open) => {
                self.skip(Word::Open);
                self.depth += 1;
                let group = self.sequence()?;
                self.skip(Word::Close);
                self.depth -= 1;
                Body::Group(group.into())
            }
            Some(word @ Word::Plain(text)) => {
                self.skip(word);
                Body::Term(Term::parse(text, self.terms)?)
            }
        };
        let operand = Operand { negated, body };
        Ok(match everything_or {
            None => operand,
            Some(negated) => {
                let everything = Operand {
                    negated: false,
                    body: Body::Everything,
                };
                let group = Sequence {
                    first: everything,
                    rest: vec![(Operator::Or, operand)],
                };
                Operand {
                    negated,
                    body: Body::Group(group.into()),
                }
            }
        })
    }
}
