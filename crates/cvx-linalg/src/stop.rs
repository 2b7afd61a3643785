//! A flag and a deadline that long operations look at.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Instant;

/// Why a run is to end early. The first of several is the one that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum StopReason {
    /// The user asked for it.
    Interrupted = 1,
    /// The time limit has passed.
    TimeLimit = 2,
}

impl StopReason {
    /// The reason with this number; `None` for 0, which stands for no reason.
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        [StopReason::Interrupted, StopReason::TimeLimit].into_iter().find(|reason| *reason as u8 == code)
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StopReason::Interrupted => "interrupted",
            StopReason::TimeLimit => "the time limit has passed",
        })
    }
}

/// A flag that any thread may raise, and a deadline. Back ends look at both between the blocks of a long operation.
///
/// Clones share the flag. The deadline never steers an algorithm, it only ends it.
///
/// A token made by [`new`](StopToken::new) is always heeded: once it is raised, every long operation of a back end that
/// holds it fails. A token made by [`for_run`](StopToken::for_run) is heeded only inside [`heed`](StopToken::heed), so
/// that a run can finish what must not be left half done.
#[derive(Clone, Debug, Default)]
pub struct StopToken {
    /// 0, or the number of the reason.
    raised: Arc<AtomicU8>,
    deadline: Option<Instant>,
    /// Whether requests are not seen at present; shared by the clones that one run hands out.
    ignored: Arc<AtomicBool>,
}

impl StopToken {
    /// A token that is not raised and has no deadline.
    pub fn new() -> Self {
        Self::default()
    }

    /// A token for one run: the same flag, with a deadline. It stops nothing outside [`heed`](StopToken::heed).
    pub fn for_run(&self, deadline: Option<Instant>) -> Self {
        StopToken { raised: Arc::clone(&self.raised), deadline, ignored: Arc::new(AtomicBool::new(true)) }
    }

    /// Does `work`, during which the token stops what looks at it. Afterwards, also where `work` panics, requests are
    /// seen or not as they were before. All clones of a run's token share that state.
    pub fn heed<R>(&self, work: impl FnOnce() -> R) -> R {
        struct Restore<'a>(&'a AtomicBool, bool);
        impl Drop for Restore<'_> {
            fn drop(&mut self) {
                self.0.store(self.1, Ordering::Relaxed);
            }
        }
        let _restore = Restore(&self.ignored, self.ignored.swap(false, Ordering::Relaxed));
        work()
    }

    /// From now on, requests are seen inside [`heed`](StopToken::heed) alone, as those of a run's token are.
    pub fn defer(&self) {
        self.ignored.store(true, Ordering::Relaxed);
    }

    /// Asks the run to end at its next look at the token. Safe to call from a signal-handling thread.
    pub fn raise(&self) {
        self.raise_for(StopReason::Interrupted);
    }

    /// [`raise`](StopToken::raise) with a reason that was found elsewhere.
    pub fn raise_for(&self, reason: StopReason) {
        self.raised.store(reason as u8, Ordering::Relaxed);
    }

    /// Whether the token was raised.
    pub fn is_raised(&self) -> bool {
        self.raised.load(Ordering::Relaxed) != 0
    }

    /// Why the run is to end now, if it is.
    pub fn reason(&self) -> Option<StopReason> {
        if self.ignored.load(Ordering::Relaxed) { None } else { self.request() }
    }

    /// Why the run is to end, whether requests are seen at present or not.
    pub fn request(&self) -> Option<StopReason> {
        let late = || self.deadline.filter(|&deadline| Instant::now() >= deadline).map(|_| StopReason::TimeLimit);
        StopReason::from_code(self.raised.load(Ordering::Relaxed)).or_else(late)
    }

    /// An error where the run is to end now.
    ///
    /// # Errors
    /// The [`reason`](StopToken::reason).
    pub fn check(&self) -> Result<(), StopReason> {
        self.reason().map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_token_is_heeded_everywhere() {
        let token = StopToken::new();
        assert_eq!(token.check(), Ok(()));
        token.raise();
        assert_eq!(token.check(), Err(StopReason::Interrupted));
        assert_eq!(token.heed(|| token.check()), Err(StopReason::Interrupted));
        assert_eq!(token.check(), Err(StopReason::Interrupted));
    }

    #[test]
    fn a_token_of_a_run_is_heeded_inside_heed_alone() {
        let user = StopToken::new();
        let token = user.for_run(Some(Instant::now()));
        let clone = token.clone();
        assert_eq!(clone.check(), Ok(()));
        assert_eq!(token.heed(|| clone.check()), Err(StopReason::TimeLimit));
        user.raise();
        let nested = token.heed(|| {
            assert_eq!(token.heed(|| clone.check()), Err(StopReason::Interrupted));
            clone.check()
        });
        assert_eq!(nested, Err(StopReason::Interrupted), "the inner scope restores the outer one's state");
        assert_eq!(clone.check(), Ok(()));
    }

    #[test]
    fn a_panic_inside_heed_restores_the_state() {
        let token = StopToken::new().for_run(None);
        token.raise();
        let work = std::panic::AssertUnwindSafe(|| token.heed(|| panic!("expected by the test")));
        assert!(std::panic::catch_unwind(work).is_err());
        assert_eq!(token.check(), Ok(()));
    }
}
