//! What goes from one repository to another on this machine, without a transport between.

pub mod content;
// pub mod refs;
