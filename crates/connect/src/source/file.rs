//! Events from files: JSON lines, JSON arrays and Zeek logs, plain or packed.
//!
//! Files are read one after the other and never held whole. A line that is no event is an error naming file and line,
//! and reading goes on behind it; a file that cannot be read further is an error, and reading goes on with the next.
//! JSON is handed on as it stands, well formed or not: whoever knows the schema judges it, here it is only counted.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    input::{Bytes, Input, read_ahead},
    json_values::{JsonValues, ValueRead},
    lines::{LineRead, read_line},
    zeek_tsv::{RowError, ZeekTsv},
};

/// Longest line or JSON element, unless told otherwise.
pub const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Most that an input may grow when unpacked, beyond the first 256 MiB. Recorded logs shrink to a fortieth.
pub const UNPACKED_RATIO_MAX: u64 = 500;
/// What some programs put before UTF-8 text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Bounds on what is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileOptions {
    /// Longest line or JSON element in bytes; a longer one is an error.
    pub line_bytes_max: usize,
    /// How many times its size an input may unpack to.
    pub unpacked_ratio_max: u64,
}

impl Default for FileOptions {
    fn default() -> Self {
        Self { line_bytes_max: LINE_BYTES_MAX, unpacked_ratio_max: UNPACKED_RATIO_MAX }
    }
}

/// One event, borrowed from the reader until the next is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    /// The event's JSON text.
    pub bytes: &'a [u8],
    /// The line of the file it starts in, from 1.
    pub line: u64,
    /// The file's name as it was given, with `:member` for a member of an archive.
    pub file: &'a str,
    /// The log's name from a Zeek header (`conn`), where there is one.
    pub path: Option<&'a str>,
}

/// Says what could not be read, and where.
#[derive(Debug, thiserror::Error)]
#[error("file {file:?}{}: {fault}", if *.line == 0 { String::new() } else { format!(" line {line}") })]
pub struct ReadError {
    /// The file's name.
    pub file: Arc<str>,
    /// The line, from 1; 0 when the fault is the file's as a whole.
    pub line: u64,
    /// What is wrong.
    #[source]
    pub fault: ReadFault,
}

impl ReadError {
    /// Tells whether the rest of this file is lost, rather than one line.
    pub fn ends_file(&self) -> bool {
        !matches!(self.fault, ReadFault::TooLong { .. } | ReadFault::Row(_))
    }
}

/// Says what is wrong with a file or line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadFault {
    /// The file cannot be opened.
    #[error("cannot be opened: {0}")]
    Open(io::Error),
    /// Reading or unpacking failed on the way; the rest of the file is lost.
    #[error("cannot be read further: {0}")]
    Io(io::Error),
    /// The zip archive or its member cannot be used.
    #[error("{0}")]
    Archive(String),
    /// The archive has no member of that name.
    #[error("archive has no such member")]
    NoMember,
    /// The file is text in an encoding other than UTF-8.
    #[error("text is UTF-16, not UTF-8")]
    Utf16,
    /// The line or JSON element is too long.
    #[error("line or element is longer than {max} bytes")]
    TooLong {
        /// The bound in bytes.
        max: usize,
    },
    /// The file ends inside a JSON element.
    #[error("file ends inside an element")]
    Cut,
    /// The row or header of a Zeek log is wrong.
    #[error(transparent)]
    Row(RowError),
}

/// How far reading has come, in bytes on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read so far, packed as they are.
    pub read_bytes: u64,
    /// Bytes of all inputs.
    pub total_bytes: u64,
}

/// What was read so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadCounts {
    /// Events handed out.
    pub events: u64,
    /// Errors handed out.
    pub errors: u64,
    /// Events among them that do not begin and end like a JSON object.
    pub not_objects: u64,
    /// Events among them that are not valid UTF-8.
    pub invalid_utf8: u64,
}

/// Reads the events of several files.
pub struct FileReader {
    options: FileOptions,
    inputs: VecDeque<Input>,
    current: Option<Current>,
    event: Vec<u8>,
    line: Vec<u8>,
    counts: ReadCounts,
    done_bytes: u64,
    total_bytes: u64,
}

struct Current {
    input: Input,
    bytes: Bytes,
    content: Content,
    line: u64,
    read_bytes: Arc<AtomicU64>,
}

enum Content {
    JsonLines,
    JsonValues(JsonValues),
    Zeek(ZeekTsv),
}

impl FileReader {
    /// Finds the named files and lists the members of archives; their content is opened when its turn comes.
    pub fn open<S: AsRef<str>>(
        files: impl IntoIterator<Item = S>,
        options: FileOptions,
    ) -> Result<Self, ReadError> {
        let mut inputs = VecDeque::new();
        for file in files {
            let file = file.as_ref();
            let named =
                Input::named(file).map_err(|fault| ReadError { file: file.into(), line: 0, fault })?;
            inputs.extend(named);
        }
        let total_bytes = inputs.iter().map(|input| input.packed_bytes).sum();
        Ok(Self {
            options,
            inputs,
            current: None,
            event: Vec::new(),
            line: Vec::new(),
            counts: ReadCounts::default(),
            done_bytes: 0,
            total_bytes,
        })
    }

    /// Returns the next event or error, `None` after the last file.
    pub fn next_event(&mut self) -> Option<Result<Event<'_>, ReadError>> {
        match self.advance()? {
            Ok(line) => {
                self.count_event();
                let current = self.current.as_ref().expect("an event was read from an open file");
                let path = match &current.content {
                    Content::Zeek(zeek) => zeek.path(),
                    _ => None,
                };
                Some(Ok(Event { bytes: &self.event, line, file: &current.input.name, path }))
            }
            Err(error) => {
                self.counts.errors += 1;
                Some(Err(error))
            }
        }
    }

    /// Returns how far reading has come.
    pub fn progress(&self) -> Progress {
        let current = self.current.as_ref().map_or(0, |current| current.read_bytes.load(Ordering::Relaxed));
        // A file that grows, or a pipe, has more bytes than it had when it was named.
        let read_bytes = (self.done_bytes + current).min(self.total_bytes);
        Progress { read_bytes, total_bytes: self.total_bytes }
    }

    /// Returns what was read so far.
    pub fn counts(&self) -> ReadCounts {
        self.counts
    }

    /// Puts the next event into `self.event` and returns its line.
    fn advance(&mut self) -> Option<Result<u64, ReadError>> {
        loop {
            if self.current.is_none() {
                let input = self.inputs.pop_front()?;
                match Current::open(input.clone(), self.options.unpacked_ratio_max) {
                    Ok(current) => self.current = Some(current),
                    Err(fault) => {
                        self.done_bytes += input.packed_bytes;
                        return Some(Err(ReadError { file: input.name, line: 0, fault }));
                    }
                }
            }
            let current = self.current.as_mut().expect("opened above");
            let read = current.read_event(&mut self.event, &mut self.line, self.options.line_bytes_max);
            match read {
                Ok(Some(line)) => return Some(Ok(line)),
                Ok(None) => self.leave_file(),
                Err((line, fault)) => {
                    let error = ReadError { file: current.input.name.clone(), line, fault };
                    if error.ends_file() {
                        self.leave_file();
                    }
                    return Some(Err(error));
                }
            }
        }
    }

    fn leave_file(&mut self) {
        if let Some(current) = self.current.take() {
            self.done_bytes += current.input.packed_bytes;
        }
    }

    fn count_event(&mut self) {
        self.counts.events += 1;
        let text = self.event.trim_ascii();
        if text.first() != Some(&b'{') || text.last() != Some(&b'}') {
            self.counts.not_objects += 1;
        }
        if simdutf8::basic::from_utf8(text).is_err() {
            self.counts.invalid_utf8 += 1;
        }
    }
}

impl Current {
    fn open(input: Input, ratio_max: u64) -> Result<Self, ReadFault> {
        let read_bytes = Arc::new(AtomicU64::new(0));
        let bytes = input.open(read_bytes.clone(), ratio_max).map_err(ReadFault::Open)?;
        let (content, bytes) = detect(bytes)?;
        Ok(Self { input, bytes, content, line: 0, read_bytes })
    }

    /// Reads up to the next event; blank lines and headers are none.
    fn read_event(
        &mut self,
        event: &mut Vec<u8>,
        line: &mut Vec<u8>,
        length_max: usize,
    ) -> Result<Option<u64>, (u64, ReadFault)> {
        if let Content::JsonValues(values) = &mut self.content {
            let read = values.read_value(&mut self.bytes, event, length_max);
            let (read, first_line) = read.map_err(|error| (self.line, ReadFault::Io(error)))?;
            self.line = self.line.max(first_line);
            return match read {
                ValueRead::Value => Ok(Some(first_line)),
                ValueRead::End => Ok(None),
                ValueRead::TooLong => Err((first_line, ReadFault::TooLong { max: length_max })),
                ValueRead::Cut => Err((first_line, ReadFault::Cut)),
            };
        }
        loop {
            let target = if matches!(self.content, Content::Zeek(_)) { &mut *line } else { &mut *event };
            let read = read_line(&mut self.bytes, target, length_max);
            match read.map_err(|error| (self.line, ReadFault::Io(error)))? {
                LineRead::End => return Ok(None),
                LineRead::Line => self.line += 1,
                LineRead::TooLong => {
                    self.line += 1;
                    return Err((self.line, ReadFault::TooLong { max: length_max }));
                }
            }
            if target.trim_ascii().is_empty() {
                continue;
            }
            let Content::Zeek(zeek) = &mut self.content else { return Ok(Some(self.line)) };
            if zeek.take_line(line, event).map_err(|error| (self.line, ReadFault::Row(error)))? {
                return Ok(Some(self.line));
            }
        }
    }
}

/// Tells from its first bytes what a file holds, and takes a byte order mark away.
fn detect(bytes: Bytes) -> Result<(Content, Bytes), ReadFault> {
    let text = |head: &[u8]| head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(head).trim_ascii_start().len();
    // Three bytes of text tell everything: `{`, carriage return, line feed.
    let (head, mut bytes) = read_ahead(bytes, |head| text(head) >= 3).map_err(ReadFault::Io)?;
    if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
        return Err(ReadFault::Utf16);
    }
    let mut start = &head[..];
    if let Some(after) = head.strip_prefix(BYTE_ORDER_MARK) {
        bytes.consume(BYTE_ORDER_MARK.len());
        start = after;
    }
    let content = match start.trim_ascii_start() {
        [b'#', ..] => Content::Zeek(ZeekTsv::new()),
        [b'[', ..] => Content::JsonValues(JsonValues::default()),
        // A brace alone on its line begins an object printed over several lines.
        [b'{', b'\n', ..] | [b'{', b'\r', b'\n', ..] => Content::JsonValues(JsonValues::default()),
        _ => Content::JsonLines,
    };
    Ok((content, bytes))
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write, path::Path};

    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;
    use zip::{ZipWriter, write::SimpleFileOptions};

    use super::*;

    /// Writes a file and returns its events and errors as `line text`.
    fn check(name: &str, content: &[u8], expect: &[&str]) {
        check_with(FileOptions::default(), name, content, expect);
    }

    fn check_with(options: FileOptions, name: &str, content: &[u8], expect: &[&str]) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        assert_eq!(read_all(&[path.to_str().unwrap()], options, folder.path()), expect);
    }

    fn read_all(files: &[&str], options: FileOptions, folder: &Path) -> Vec<String> {
        let mut reader = match FileReader::open(files, options) {
            Ok(reader) => reader,
            Err(error) => return vec![shown(&error, folder)],
        };
        let mut texts = Vec::new();
        while let Some(read) = reader.next_event() {
            texts.push(match read {
                Ok(event) => format!("{} {}", event.line, String::from_utf8_lossy(event.bytes)),
                Err(error) => shown(&error, folder),
            });
        }
        let progress = reader.progress();
        assert_eq!(progress.read_bytes, progress.total_bytes);
        texts
    }

    fn shown(error: &ReadError, folder: &Path) -> String {
        error.to_string().replace(&format!("{}/", folder.to_str().unwrap()), "")
    }

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = ZipWriter::new(io::Cursor::new(Vec::new()));
        for (name, content) in members {
            writer.start_file(*name, SimpleFileOptions::default()).unwrap();
            writer.write_all(content).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    const LINES: &[u8] = b"\xef\xbb\xbf{\"a\":1}\r\n\n{\"a\":2}\nbroken";
    const ZEEK: &[u8] = b"#separator \\x09\n#path\tconn\n#fields\tn\n#types\tcount\n1\nx\n2\n#close\t2020\n";

    #[test]
    fn json_lines_are_handed_on_with_their_line_numbers() {
        check("a.json", LINES, &["1 {\"a\":1}", "3 {\"a\":2}", "4 broken"]);
    }

    #[test]
    fn json_array_and_spread_objects_are_taken_apart() {
        check("a.json", b" [\n {\"a\":1},\n {\"a\":[2]}]", &["2 {\"a\":1}", "3 {\"a\":[2]}"]);
        check("a.json", b"{\n\"a\":1}\n{\n\"a\":2}\n", &["1 {\n\"a\":1}", "3 {\n\"a\":2}"]);
        check(
            "a.json",
            b"[{\"a\":1},{\"a\"",
            &["1 {\"a\":1}", "file \"a.json\" line 1: file ends inside an element"],
        );
    }

    #[test]
    fn zeek_rows_become_json_and_a_wrong_row_is_an_error_with_its_line() {
        let wrong = "file \"conn.log\" line 6: value \"x\" of column \"n\" is not of type integer";
        check("conn.log", ZEEK, &["5 {\"n\":1}", wrong, "7 {\"n\":2}"]);
    }

    #[test]
    fn packed_files_are_known_by_their_first_bytes() {
        let mut twice = gzip(b"{\"a\":1}\n");
        twice.extend(gzip(b"{\"a\":2}\n"));
        check("a.log", &twice, &["1 {\"a\":1}", "2 {\"a\":2}"]);
        let archive = zip(&[("empty/", b""), ("one", b"{\"a\":1}"), ("two.gz", &gzip(b"{\"a\":2}"))]);
        check("a.log", &archive, &["1 {\"a\":1}", "1 {\"a\":2}"]);
    }

    #[test]
    fn one_member_of_an_archive_can_be_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.zip");
        fs::write(&path, zip(&[("one", b"{\"a\":1}"), ("x/two", ZEEK)])).unwrap();
        let member = |name| format!("{}:{name}", path.to_str().unwrap());
        let mut reader = FileReader::open([member("x/two")], FileOptions::default()).unwrap();
        let event = reader.next_event().unwrap().unwrap();
        assert_eq!((event.bytes, event.path), (&b"{\"n\":1}"[..], Some("conn")));
        let missing = read_all(&[&member("three")], FileOptions::default(), folder.path());
        assert_eq!(missing, ["file \"a.zip:three\": archive has no such member"]);
    }

    #[test]
    fn overlong_line_is_an_error_and_reading_goes_on() {
        let options = FileOptions { line_bytes_max: 8, ..FileOptions::default() };
        let error = "file \"a\" line 2: line or element is longer than 8 bytes";
        check_with(
            options,
            "a",
            b"{\"a\":1}\n{\"a\":1234}\n{\"a\":2}",
            &["1 {\"a\":1}", error, "3 {\"a\":2}"],
        );
    }

    #[test]
    fn damaged_inputs_are_errors_of_their_file_and_the_next_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let mut cut = gzip(&b"{\"a\":1}\n".repeat(1000));
        cut.truncate(cut.len() - 9);
        let mut bad = zip(&[("m", b"{\"a\":1}")]);
        // The name is one byte long, so the packed bytes begin at 31.
        bad[33] ^= 0xff;
        let paths =
            [("cut.gz", cut), ("bad.zip", bad), ("good", b"{\"a\":2}".to_vec())].map(|(name, content)| {
                let path = folder.path().join(name);
                fs::write(&path, content).unwrap();
                path.to_str().unwrap().to_owned()
            });
        let texts = read_all(&[&paths[0], &paths[1], &paths[2]], FileOptions::default(), folder.path());
        let errors: Vec<_> = texts.iter().filter(|text| text.starts_with("file")).collect();
        assert_eq!(errors.len(), 2, "{errors:?}");
        assert!(
            errors[0].starts_with("file \"cut.gz\"") && errors[1].starts_with("file \"bad.zip:m\""),
            "{errors:?}"
        );
        assert_eq!(texts.last().unwrap(), "1 {\"a\":2}");
    }

    #[test]
    fn missing_file_and_utf16_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none");
        let texts = read_all(&[path.to_str().unwrap()], FileOptions::default(), folder.path());
        assert!(texts[0].starts_with("file \"none\": cannot be opened"), "{texts:?}");
        check("w.json", b"\xff\xfe{\0", &["file \"w.json\": text is UTF-16, not UTF-8"]);
    }

    #[test]
    fn bomb_is_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bomb.gz");
        let mut encoder = GzEncoder::new(fs::File::create(&path).unwrap(), Compression::best());
        let line = [b"{\"a\":\"", [b' '; 1_000_000].as_slice(), b"\"}\n"].concat();
        for _ in 0..300 {
            encoder.write_all(&line).unwrap();
        }
        encoder.finish().unwrap();
        let mut reader = FileReader::open([path.to_str().unwrap()], FileOptions::default()).unwrap();
        let mut events = 0;
        let error = loop {
            match reader.next_event().expect("the bomb ends in an error") {
                Ok(_) => events += 1,
                Err(error) => break error,
            }
        };
        assert!(error.to_string().ends_with("it unpacks to more than 500 times its size"), "{error}");
        assert!(events < 300 && reader.next_event().is_none());
    }

    #[test]
    fn what_is_not_json_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, b"{\"a\":1}\nbroken\n{\"a\":\"\xff\"}\n").unwrap();
        let mut reader = FileReader::open([path.to_str().unwrap()], FileOptions::default()).unwrap();
        while reader.next_event().is_some() {}
        assert_eq!(reader.counts(), ReadCounts { events: 3, errors: 0, not_objects: 1, invalid_utf8: 1 });
    }

    #[test]
    fn members_that_overlap_are_refused() {
        let mut archive = zip(&[("a", &[b'x'; 4000]), ("b", &[b'y'; 4000])]);
        // The directory says of each member that it is as long as the whole archive.
        let length = (archive.len() as u32).to_le_bytes();
        let heads: Vec<_> = memchr::memmem::find_iter(&archive, b"PK\x01\x02").collect();
        for head in heads {
            archive[head + 20..head + 24].copy_from_slice(&length);
        }
        check("a.zip", &archive, &["file \"a.zip\": members of the archive overlap"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn damaged_bytes_never_panic_or_hang(
            packed in 0..3,
            places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
            length in any::<prop::sample::Index>(),
        ) {
            let mut content = match packed {
                0 => zip(&[("one", ZEEK), ("two.gz", &gzip(LINES))]),
                1 => gzip(ZEEK),
                _ => ZEEK.to_vec(),
            };
            for (place, byte) in places {
                let place = place.index(content.len());
                content[place] = byte;
            }
            content.truncate(length.index(content.len()) + 1);
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a");
            fs::write(&path, content).unwrap();
            if let Ok(mut reader) = FileReader::open([path.to_str().unwrap()], FileOptions::default()) {
                let mut reads = 0;
                while reader.next_event().is_some() {
                    reads += 1;
                    prop_assert!(reads < 1000);
                }
            }
        }
    }
}
