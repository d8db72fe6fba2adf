//! Keeps panics of the database engine from reaching anyone: on a damaged page it panics instead of failing.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind, set_hook, take_hook};

thread_local! {
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// A panic of a caller's closure on its way out through [`contain`], which must not take it for damage.
struct Foreign(Box<dyn Any + Send>);

/// Whether a panic on this thread would now be caught and become an error. A panic hook stays silent then.
#[must_use]
pub fn contained() -> bool {
    CONTAINED.try_with(Cell::get).unwrap_or(false)
}

/// Puts a hook before the present panic hook that says nothing of panics which become errors.
pub fn install_quiet_panic_hook() {
    let previous = take_hook();
    set_hook(Box::new(move |info| {
        if !contained() {
            previous(info);
        }
    }));
}

/// Runs `work`; a panic in it is returned as its message. Panics of [`outside`] go on unwinding.
pub(super) fn contain<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let before = CONTAINED.replace(true);
    // What `work` shares with the outside is the database handle, and its owner stops writing after this.
    let result = catch_unwind(AssertUnwindSafe(work));
    CONTAINED.set(before);
    result.map_err(|payload| match payload.downcast::<Foreign>() {
        Ok(foreign) => resume_unwind(foreign.0),
        Err(payload) => text(payload.as_ref()),
    })
}

/// Runs a caller's closure in the midst of [`contain`]: its panics are its own.
pub(super) fn outside<T>(work: impl FnOnce() -> T) -> T {
    let before = CONTAINED.replace(false);
    let result = catch_unwind(AssertUnwindSafe(work));
    CONTAINED.set(before);
    result.unwrap_or_else(|payload| resume_unwind(Box::new(Foreign(payload))))
}

fn text(payload: &(dyn Any + Send)) -> String {
    match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_inside_becomes_its_message() {
        assert_eq!(contain(|| 7), Ok(7));
        assert_eq!(contain(|| -> u8 { panic!("torn {}", 1) }), Err("torn 1".to_owned()));
        assert_eq!(contain(|| -> u8 { panic!("torn") }), Err("torn".to_owned()));
        assert_eq!(contain(|| -> u8 { std::panic::panic_any(3_u8) }), Err("unknown".to_owned()));
        assert!(!contained());
    }

    #[test]
    fn a_callers_panic_goes_through_unchanged() {
        let caught = catch_unwind(|| contain(|| outside(|| -> u8 { panic!("mine") })));
        assert_eq!(text(caught.unwrap_err().as_ref()), "mine");
        assert!(!contained());
    }

    #[test]
    fn the_flag_follows_the_nesting() {
        let seen = contain(|| {
            let inside = contained();
            let (foreign, nested) = outside(|| (contained(), contain(contained)));
            (inside, foreign, nested, contained())
        });
        assert_eq!(seen, Ok((true, false, Ok(true), true)));
    }
}
