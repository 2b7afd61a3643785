//! Wrong on purpose: `cargo xtask sanitize` runs tests only if AddressSanitizer reports this program.

fn main() {
    let lengths: Box<[u8]> = std::env::args().map(|argument| argument.len() as u8).collect();
    // SAFETY: none, this reads one byte past the end.
    let past = unsafe { *lengths.as_ptr().add(lengths.len()) };
    println!("{past}");
}
