//! What goes from one repository to another on this machine.

pub mod content;
#[cfg(test)]
mod tests;
