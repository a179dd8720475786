//! Many insertions into one text, each around, before or inside others.

use std::ops::Range;

/// A text that comes into another.
pub(super) struct Piece {
    /// What it replaces; empty if it only comes in between.
    pub(super) at: Range<usize>,
    pub(super) text: String,
    rank: (Side, usize),
}

/// What comes first where pieces meet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Closing,
    Opening,
    Between,
}

impl Piece {
    /// A text in the place of another.
    pub(super) fn instead(at: Range<usize>, text: impl Into<String>) -> Piece {
        Piece {
            at,
            text: text.into(),
            rank: (Side::Between, 0),
        }
    }

    /// Texts before and after a range; the wider range is outside.
    pub(super) fn around(range: &Range<usize>, before: impl Into<String>, after: impl Into<String>) -> [Piece; 2] {
        let length = range.len();
        let opening = Piece {
            at: range.start..range.start,
            text: before.into(),
            rank: (Side::Opening, usize::MAX - length),
        };
        let closing = Piece {
            at: range.end..range.end,
            text: after.into(),
            rank: (Side::Closing, length),
        };
        [opening, closing]
    }
}

/// The text with all pieces in it, and where each of them went.
pub(super) fn weave(text: &str, pieces: &[Piece]) -> (String, Vec<Range<usize>>) {
    let mut order: Vec<usize> = (0..pieces.len()).collect();
    order.sort_by_key(|index| {
        let Piece { at, rank, .. } = &pieces[*index];
        // Of those around the same range the one that opens last closes first.
        let turn = match rank.0 {
            Side::Closing => usize::MAX - index,
            Side::Between | Side::Opening => *index,
        };
        (at.start, *rank, turn)
    });
    let mut woven = String::new();
    let mut places = vec![0..0; pieces.len()];
    let mut done = 0;
    for index in order {
        let piece = &pieces[index];
        woven.push_str(&text[done..piece.at.start]);
        let start = woven.len();
        woven.push_str(&piece.text);
        places[index] = start..woven.len();
        done = piece.at.end;
    }
    woven.push_str(&text[done..]);
    (woven, places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wider_is_outside_and_the_later_inside() {
        let mut pieces = Vec::new();
        pieces.extend(Piece::around(&(2..3), "<", ">"));
        pieces.extend(Piece::around(&(2..5), "[", "]"));
        pieces.extend(Piece::around(&(2..5), "(", ")"));
        pieces.push(Piece::instead(2..2, "+"));
        pieces.push(Piece::instead(6..7, "-"));
        let (woven, places) = weave("01234567", &pieces);
        assert_eq!(woven, "01[(<+2>34)]5-7");
        let texts: Vec<&str> = places.into_iter().map(|place| &woven[place]).collect();
        assert_eq!(texts, ["<", ">", "[", "]", "(", ")", "+", "-"]);
    }
}
