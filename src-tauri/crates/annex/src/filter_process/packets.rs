use std::io::{self, Read, Write};

/// The most content that one packet carries.
const MAX_CONTENT: usize = 65516;

/// Reads git's packets (pkt-line): four hexadecimal digits of length, then content; `0000` ends a list.
pub(super) struct Packets<R> {
    input: R,
    buffer: Vec<u8>,
}

impl<R: Read> Packets<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            buffer: Vec::new(),
        }
    }

    /// The content of the next packet; none at the end of a list.
    pub(super) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        let mut digits = [0; 4];
        self.input.read_exact(&mut digits)?;
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "git sent something that is not a packet");
        let mut length = [0; 2];
        hex::decode_to_slice(digits, &mut length).map_err(|_| damaged())?;
        match usize::from(u16::from_be_bytes(length)) {
            0 => Ok(None),
            1..=3 => Err(damaged()),
            length => {
                self.buffer.resize(length - 4, 0);
                self.input.read_exact(&mut self.buffer)?;
                Ok(Some(&self.buffer))
            }
        }
    }

    /// The lines of the next list; none if git has closed the connection instead.
    pub(super) fn list(&mut self) -> io::Result<Option<Vec<Vec<u8>>>> {
        let mut lines = Vec::new();
        loop {
            match self.next() {
                Ok(Some(line)) => lines.push(line.strip_suffix(b"\n").unwrap_or(line).to_vec()),
                Ok(None) => return Ok(Some(lines)),
                Err(error) if lines.is_empty() && error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }
}

/// Writes a list of lines and its end.
pub(super) fn write_list(output: &mut impl Write, lines: &[&str]) -> io::Result<()> {
    for line in lines {
        writeln!(output, "{:04x}{line}", line.len() + 5)?;
    }
    output.write_all(b"0000")
}

/// Writes content and its end.
pub(super) fn write_content(output: &mut impl Write, mut content: impl Read) -> io::Result<()> {
    let mut buffer = vec![0; MAX_CONTENT];
    loop {
        let length = match content.read(&mut buffer) {
            Ok(0) => return output.write_all(b"0000"),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        write!(output, "{:04x}", length + 4)?;
        output.write_all(&buffer[..length])?;
    }
}

#[cfg(test)]
mod tests {
    use super::{Packets, write_content, write_list};

    #[test]
    fn what_is_written_can_be_read() {
        let mut wire = Vec::new();
        write_list(&mut wire, &["version=2", ""]).unwrap();
        let content = vec![7; 70_000];
        write_content(&mut wire, content.as_slice()).unwrap();
        let mut packets = Packets::new(wire.as_slice());
        assert_eq!(packets.list().unwrap(), Some(vec![b"version=2".to_vec(), Vec::new()]));
        let mut read = Vec::new();
        while let Some(part) = packets.next().unwrap() {
            read.extend_from_slice(part);
        }
        assert!(read == content);
        assert_eq!(packets.list().unwrap(), None);
    }

    #[test]
    fn damaged_packets_are_errors() {
        for wire in ["zzzz", "0001", "0003", "0009ab", "00"] {
            let mut packets = Packets::new(wire.as_bytes());
            assert!(packets.next().is_err(), "{wire}");
        }
    }
}
