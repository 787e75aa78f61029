//! State that threads share, and wait for changes of.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Locks. Nothing is half changed where a holder panicked: what is changed is plain data.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) struct Monitor<S> {
    state: Mutex<S>,
    changed: Condvar,
}

impl<S> Monitor<S> {
    pub(crate) fn new(state: S) -> Self {
        Monitor { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Changes the state, and has those who wait look at it.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut S) -> T) -> T {
        let outcome = change(&mut lock(&self.state));
        self.changed.notify_all();
        outcome
    }

    /// Waits until the state gives something, or for the deadline where there is one.
    pub(crate) fn until<T>(
        &self,
        deadline: Option<Instant>,
        mut give: impl FnMut(&mut S) -> Option<T>,
    ) -> Option<T> {
        let mut state = lock(&self.state);
        loop {
            let given = give(&mut state);
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if given.is_some() || left == Some(Duration::ZERO) {
                return given;
            }
            state = match left {
                Some(left) => {
                    self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}
