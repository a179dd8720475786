use std::io::{self, BufRead, ErrorKind, Read};

use flate2::{Decompress, FlushDecompress, Status};

/// How much compressed data to read at a time. Most readers want only the header of an object.
pub(super) const BUFFER: usize = 16 << 10;

/// No header of a loose object is longer: a kind, a size, and a zero.
const LONGEST_HEADER: usize = 32;

/// Reads what a zlib stream holds. A truncated stream is an error, even if only its checksum is missing; `flate2`'s reader takes
/// the end of the file for the end of the stream.
pub(super) struct Inflated<R> {
    from: R,
    state: Decompress,
    is_over: bool,
}

impl<R: BufRead> Inflated<R> {
    pub(super) fn of(from: R) -> Self {
        Self {
            from,
            state: Decompress::new(true),
            is_over: false,
        }
    }
}

impl<R: BufRead> Read for Inflated<R> {
    fn read(&mut self, part: &mut [u8]) -> io::Result<usize> {
        while !self.is_over && !part.is_empty() {
            let input = match self.from.fill_buf() {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                input => input?,
            };
            let (taken, given) = (self.state.total_in(), self.state.total_out());
            let status = self.state.decompress(input, part, FlushDecompress::None);
            self.is_over = status.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))? == Status::StreamEnd;
            let (taken, given) = (self.state.total_in() - taken, self.state.total_out() - given);
            self.from.consume(taken as usize);
            match (given, taken) {
                (1.., _) => return Ok(given as usize),
                (0, 0) if !self.is_over => return Err(ErrorKind::UnexpectedEof.into()),
                (0, _) => {}
            }
        }
        Ok(0)
    }
}

/// An object that is being read. Reading from it gives its content.
pub(super) struct Opened<R> {
    pub(super) kind: Vec<u8>,
    /// In bytes, as the header says.
    pub(super) size: u64,
    inflated: Inflated<R>,
}

impl<R: BufRead> Opened<R> {
    /// Reads the header of a loose object; none if there is none.
    pub(super) fn of(file: R) -> io::Result<Option<Self>> {
        let mut inflated = Inflated::of(file);
        let mut header = Vec::new();
        let mut byte = [0];
        while header.len() < LONGEST_HEADER && inflated.read(&mut byte)? == 1 {
            if byte == [0] {
                let text = std::str::from_utf8(&header).ok().and_then(|text| text.split_once(' '));
                let parsed = text.and_then(|(kind, size)| Some((kind.into(), size.parse().ok()?)));
                return Ok(parsed.map(|(kind, size)| Self { kind, size, inflated }));
            }
            header.push(byte[0]);
        }
        Ok(None)
    }

    /// An object that a pack stores whole; `pack` is at its content.
    pub(super) fn packed(kind: &[u8], size: u64, pack: R) -> Self {
        Self {
            kind: kind.to_vec(),
            size,
            inflated: Inflated::of(pack),
        }
    }
}

impl<R: BufRead> Read for Opened<R> {
    fn read(&mut self, part: &mut [u8]) -> io::Result<usize> {
        self.inflated.read(part)
    }
}
