//! Wrong on purpose: `cargo xtask sanitize` compiles it first, and trusts AddressSanitizer only if that reports it.

fn main() {
    let lengths: Box<[u8]> = std::env::args().map(|argument| argument.len() as u8).collect();
    // SAFETY: none; it reads one byte past the end.
    let past = unsafe { *lengths.as_ptr().add(lengths.len()) };
    println!("{past}");
}
