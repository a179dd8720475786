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
}
