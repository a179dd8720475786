//! What a client hears that listens: any line is parsed, and what was understood is the same when it is told again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use p2p::News;

fuzz_target!(|input: &[u8]| {
    for line in input.split(|&byte| byte == b'\n') {
        if let Some(news) = News::parse(line) {
            let told = news.line();
            let line = told.strip_suffix('\n').expect("a line has an end");
            assert!(!line.contains('\n'), "it is one line");
            assert_eq!(News::parse(line.as_bytes()), Some(news));
        }
    }
});
