//! Source in which every change is there at once and switched on by its number.
//!
//! Only one is on at a time, so the text that it switches to is the plain one: no change within a change.

use std::ops::Range;

use anyhow::Result;

use super::change::Change;
use super::sites::{Sites, Way};
use super::weave::{Piece, weave};

/// What each changed crate gets at the end of its root: it knows which change is on, and says which are reached.
pub(super) const MODULE: &str = r#"
mod mutant {
    use std::collections::BTreeSet;
    use std::io::Write as _;
    use std::sync::{LazyLock, Mutex, PoisonError};

    static ON: LazyLock<Option<u32>> = LazyLock::new(|| std::env::var("ANABRANCH_MUTANT").ok()?.parse().ok());
    static LIST: LazyLock<Option<std::path::PathBuf>> =
        LazyLock::new(|| std::env::var_os("ANABRANCH_MUTANTS_REACHED").map(Into::into));
    static SAID: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

    pub(crate) fn on(change: u32) -> bool {
        if let Some(list) = &*LIST
            && SAID.lock().unwrap_or_else(PoisonError::into_inner).insert(change)
        {
            let list = std::fs::OpenOptions::new().create(true).append(true).open(list);
            list.and_then(|mut list| list.write_all(format!("{change}\n").as_bytes()))
                .expect("the list of what is reached cannot be written");
        }
        *ON == Some(change)
    }
}
"#;

/// A file's text with changes in it.
pub(super) struct Changed {
    pub(super) text: String,
    /// Where they are.
    pub(super) regions: Vec<Region>,
}

/// A part of the text, and the change that an error in it is blamed on.
pub(super) struct Region {
    pub(super) range: Range<usize>,
    pub(super) change: usize,
    /// The text is the change's own, not only around or below it.
    pub(super) is_own: bool,
}

/// The text with these changes switched. Left out are those that stand where nothing can be switched.
///
/// # Errors
///
/// When the text is not Rust, or a change is not in it.
pub(super) fn switched(text: &str, changes: &[(usize, &Change)]) -> Result<Changed> {
    let sites = Sites::find(text)?;
    let mut pieces = Vec::new();
    let mut owners = Vec::new();
    for (number, change) in changes {
        let replaced = change.replaced(text)?;
        let Some((around, way)) = sites.at(
            change.genre,
            replaced.start,
            &text[replaced.clone()],
            &change.replacement,
        ) else {
            continue;
        };
        let on = format!("crate::mutant::on({number})");
        let value = &change.replacement;
        let [before, after] = match way {
            Way::Body => [format!("if {on} {{ return {value}; }} "), String::new()],
            Way::Expression => {
                let plain = [
                    &text[around.start..replaced.start],
                    value,
                    &text[replaced.end..around.end],
                ]
                .join(" ");
                [format!("(if {on} {{ {plain} }} else {{ "), " })".to_owned()]
            }
            Way::Guard if value == "true" => [format!("{on} || ("), ")".to_owned()],
            Way::Guard => [format!("!{on} && ("), ")".to_owned()],
            Way::Arm { pattern_ends } => {
                pieces.push(Piece::instead(pattern_ends..pattern_ends, format!(" if !{on}")));
                [String::new(), String::new()]
            }
        };
        owners.push((*number, pieces.len()));
        pieces.extend(Piece::around(&around, before, after));
    }
    let (text, places) = weave(text, &pieces);
    let mut regions = Vec::new();
    for (change, first) in owners {
        let (before, after) = (&places[first], &places[first + 1]);
        regions.push(Region {
            range: before.clone(),
            change,
            is_own: true,
        });
        regions.push(Region {
            range: before.start..after.end,
            change,
            is_own: false,
        });
    }
    Ok(Changed { text, regions })
}

/// The text with these changes made; an error in the function around one is blamed on it.
///
/// # Errors
///
/// When a change is not in the text.
pub(super) fn replaced(text: &str, changes: &[(usize, &Change)]) -> Result<Changed> {
    let mut pieces = Vec::new();
    for (_, change) in changes {
        pieces.extend(Piece::around(&change.function(text)?, "", ""));
        pieces.push(Piece::instead(
            change.replaced(text)?,
            format!("{} ", change.replacement),
        ));
    }
    let (text, places) = weave(text, &pieces);
    let region = |((change, _), ends): (&(usize, &Change), &[Range<usize>])| Region {
        range: ends[0].start..ends[1].end,
        change: *change,
        is_own: true,
    };
    let regions = changes.iter().zip(places.chunks(3)).map(region).collect();
    Ok(Changed { text, regions })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A change of the one place in a text where `old` stands between the brackets.
    fn change(text: &str, genre: &str, marked: &str, new: &str) -> Change {
        let start = text.find(&marked.replace(['⟦', '⟧'], "")).unwrap() + marked.find('⟦').unwrap();
        let length = marked.find('⟧').unwrap() - marked.find('⟦').unwrap() - '⟦'.len_utf8();
        let position = |at: usize| {
            let before = &text[..at];
            let line = before.rfind('\n').map_or(0, |end| end + 1);
            json!({ "line": before.matches('\n').count() + 1, "column": text[line..at].chars().count() + 1 })
        };
        serde_json::from_value(json!({
            "name": "a change", "package": "a", "file": "a.rs", "genre": genre, "replacement": new,
            "span": { "start": position(start), "end": position(start + length) },
        }))
        .unwrap()
    }

    /// The text with the changes switched, which is Rust; blanks are those of one line.
    fn text(source: &str, changes: &[Change]) -> String {
        let numbered: Vec<(usize, &Change)> = changes.iter().enumerate().collect();
        let Changed { text, .. } = switched(source, &numbered).unwrap();
        syn::parse_file(&text).unwrap();
        text.split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .replace("crate::mutant::", "")
    }

    #[test]
    fn a_body_an_operator_and_an_operand_are_switched_together() {
        let source = "fn f(a: u8) -> bool {\n    !(a == 1)\n}\n";
        let changes = [
            change(source, "FnValue", "⟦!(a == 1)⟧", "true"),
            change(source, "UnaryOperator", "⟦!⟧(a", ""),
            change(source, "BinaryOperator", "a ⟦==⟧ 1", "!="),
        ];
        assert_eq!(
            text(source, &changes),
            "fn f(a: u8) -> bool { if on(0) { return true; } (if on(1) { (a == 1) } else { \
             !((if on(2) { a != 1 } else { a == 1 })) }) }"
        );
    }

    #[test]
    fn an_operator_that_binds_otherwise_is_switched_with_its_neighbours() {
        let source = "fn f() -> u8 { g(1 + 2 * 3) }";
        let plus = change(source, "BinaryOperator", "2 ⟦*⟧ 3", "+");
        let over = change(source, "BinaryOperator", "2 ⟦*⟧ 3", "/");
        assert_eq!(
            text(source, &[plus, over]),
            "fn f() -> u8 { g((if on(0) { 1 + 2 + 3 } else { 1 + (if on(1) { 2 / 3 } else { 2 * 3 }) })) }"
        );
    }

    #[test]
    fn guards_and_arms_are_switched() {
        let source = "fn f(a: u8) { match a { 1 => {} b if b > 2 => {} _ => {} } }";
        let changes = [
            change(source, "MatchArmGuard", "⟦b > 2⟧", "true"),
            change(source, "MatchArmGuard", "⟦b > 2⟧", "false"),
            change(source, "MatchArm", "⟦1 => {}⟧", ""),
        ];
        assert_eq!(
            text(source, &changes),
            "fn f(a: u8) { match a { 1 if !on(2) => {} b if on(0) || (!on(1) && (b > 2)) => {} _ => {} } }"
        );
    }

    #[test]
    fn a_field_is_left_to_the_rest_of_its_struct() {
        let source = "fn f(a: A) -> A { A { b: 1, c: 2, ..a } }";
        let changes = [change(source, "StructField", "⟦b: 1,⟧", "")];
        let switched = "fn f(a: A) -> A { (if on(0) { A { c: 2, ..a } } else { A { b: 1, c: 2, ..a } }) }";
        assert_eq!(text(source, &changes), switched);
    }

    #[test]
    fn code_beside_a_let_stays_unchanged() {
        let source = "fn f(a: u8) { if a == 1 && a < 3 && let Some(b) = g(a) && b == 2 {} }";
        let changes = [
            change(source, "BinaryOperator", "1 ⟦&&⟧ a", "||"),
            change(source, "BinaryOperator", "g(a) ⟦&&⟧ b", "||"),
            change(source, "BinaryOperator", "b ⟦==⟧ 2", "!="),
        ];
        assert_eq!(
            text(source, &changes),
            "fn f(a: u8) { if a == 1 && a < 3 && let Some(b) = g(a) && (if on(2) { b != 2 } else { b == 2 }) {} }"
        );
    }

    #[test]
    fn a_plain_change_is_made_within_its_function() {
        let source = "const A: u8 = 1 << 3;";
        let shift = change(source, "BinaryOperator", "1 ⟦<<⟧ 3", ">>");
        let Changed { text, regions } = replaced(source, &[(7, &shift)]).unwrap();
        assert_eq!(text, "const A: u8 = 1 >>  3;");
        assert_eq!((regions[0].change, &text[regions[0].range.clone()]), (7, ">> "));
    }
}
