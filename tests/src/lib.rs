//! The whole system
