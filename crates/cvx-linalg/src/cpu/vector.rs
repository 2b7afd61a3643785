//! Loops compiled for the vector instructions that the processor turns out to have.

/// Runs `f` as compiled for AVX2 where the processor has it, and for every x86-64 otherwise: conversions between f32
/// and f64, which all our passes consist of, then go four to an instruction.
///
/// What `f` calls has to be inlined into it. Products and sums are not contracted, so both give the same bits.
#[inline(always)]
pub(super) fn vectorised<R>(f: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        #[target_feature(enable = "avx2")]
        fn with_avx2<R>(f: impl FnOnce() -> R) -> R {
            f()
        }
        // SAFETY: the processor was just asked whether it has the instructions.
        return unsafe { with_avx2(f) };
    }
    f()
}
