//! What has arrived and is not used yet: lines, and content between them.

/// A line may have no more bytes than this. A file name has at most 4,096, and a key fits into a file name.
pub(crate) const LONGEST_LINE: usize = 32 << 10;

/// Bytes that wait to be used. No longer than what was added last, and a line.
#[derive(Debug, Default)]
pub(crate) struct Input {
    bytes: Vec<u8>,
    /// How many of them are used.
    used: usize,
    /// How many of the rest are known to hold no end of a line.
    searched: usize,
}

/// The next line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Without its end.
    Whole(Vec<u8>),
    /// Its end has not arrived.
    Part,
    /// It has more than [`LONGEST_LINE`] bytes.
    TooLong,
}

impl Input {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.used);
        self.used = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// Takes the next line. A CR at its end belongs to the end.
    pub(crate) fn line(&mut self) -> Line {
        let rest = &self.bytes[self.used..];
        let searched = self.searched.min(rest.len());
        let Some(length) = rest[searched..].iter().position(|&byte| byte == b'\n') else {
            self.searched = rest.len();
            return match rest.len() > LONGEST_LINE {
                true => Line::TooLong,
                false => Line::Part,
            };
        };
        let line = &rest[..searched + length];
        self.used += line.len() + 1;
        self.searched = 0;
        if line.len() > LONGEST_LINE {
            return Line::TooLong;
        }
        Line::Whole(line.strip_suffix(b"\r").unwrap_or(line).to_vec())
    }

    /// Takes as much content as has arrived, but no more than `most`.
    pub(crate) fn content(&mut self, most: u64) -> Vec<u8> {
        let rest = &self.bytes[self.used..];
        let length = usize::try_from(most).map_or(rest.len(), |most| most.min(rest.len()));
        let content = rest[..length].to_vec();
        self.used += length;
        self.searched = 0;
        content
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> Line {
        Line::Whole(text.as_bytes().to_vec())
    }

    #[test]
    fn lines_and_content_are_the_same_however_they_arrive() {
        let sent = b"first\nsecond\r\n\nabc\nlast\r";
        for length in 1..sent.len() {
            let mut input = Input::default();
            let (mut lines, mut content) = (Vec::new(), Vec::new());
            for part in sent.chunks(length) {
                input.add(part);
                loop {
                    if lines.len() == 3 && content.len() < 4 {
                        let more = input.content(4 - content.len() as u64);
                        if more.is_empty() {
                            break;
                        }
                        content.extend(more);
                        continue;
                    }
                    match input.line() {
                        Line::Part => break,
                        line @ (Line::Whole(_) | Line::TooLong) => lines.push(line),
                    }
                }
            }
            assert_eq!(lines, [whole("first"), whole("second"), whole("")], "{length}");
            assert_eq!(content, b"abc\n", "{length}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_not_kept() {
        let mut input = Input::default();
        let mut told = false;
        for _ in 0..1000 {
            input.add(&[b'x'; 1000]);
            told |= input.line() == Line::TooLong;
            if told {
                break;
            }
        }
        assert!(told && input.bytes.len() <= LONGEST_LINE + 1000);
        input.add(b"\n");
        assert_eq!(input.line(), Line::TooLong);
    }
}
