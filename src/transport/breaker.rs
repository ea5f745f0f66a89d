//! A circuit breaker for each origin: a service that is down is not asked again and again, and costs its callers
//! nothing.
//!
//! A call fails an origin where it got no answer that could be read to its end, in time, or a 502, 503 or 504, by which
//! a gateway says the same. All attempts of one call count as one failure. An answer of any other status, a 500 too,
//! shows that the service is there. After [`FAULTS`] calls in a row that failed, the calls to the origin are refused at
//! once. When the cool-down is over, one call is let through as a probe, with a single attempt; the others are refused
//! meanwhile. An answer to it ends the pause, as one to a call that was still under way does; a failure begins the next
//! and longer one.

use super::back_off::back_off;
use super::error::{TransportError, TransportErrorKind};
use super::message::Response;
use crate::clock::{Clock, Moment};
use crate::log::warning;
use foldhash::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use url::{Origin, Url};

/// How many calls in a row fail before the next ones are refused.
const FAULTS: u32 = 5;

/// The breakers of a transport, one for each origin that it was asked to reach.
pub(super) struct Breakers {
    clock: Arc<Clock>,
    /// The first cool-down.
    unit: Duration,
    circuits: Mutex<HashMap<Origin, Circuit>>,
}

#[derive(Default)]
struct Circuit {
    /// Calls in a row that failed, until there is a pause.
    faults: u32,
    /// How often the origin answered. A failure of an attempt that began before the last answer says nothing new.
    answers: u64,
    pause: Option<Pause>,
}

/// An origin is left alone.
struct Pause {
    since: Moment,
    cool_down_began: Moment,
    cool_down: Duration,
    failed_probes: u32,
    probing: bool,
    last_fault: String,
}

impl Pause {
    fn begin(now: Moment, unit: Duration, last_fault: String) -> Self {
        let cool_down = back_off(unit, 0);
        Self { since: now, cool_down_began: now, cool_down, failed_probes: 0, probing: false, last_fault }
    }

    /// What is left of the cool-down.
    fn left(&self, now: Moment) -> Duration {
        self.cool_down.saturating_sub(now.since(self.cool_down_began))
    }

    fn cool_down_again(&mut self, now: Moment, cool_down: Duration) {
        (self.cool_down_began, self.cool_down, self.probing) = (now, cool_down, false);
    }
}

impl Breakers {
    pub fn new(clock: Arc<Clock>, unit: Duration) -> Self {
        Self { clock, unit, circuits: Mutex::default() }
    }

    /// Lets a call to the URL's origin through, or says since when it fails and when it is tried again.
    pub fn admit(&self, url: &Url) -> Result<Pass<'_>, TransportError> {
        let (origin, now) = (url.origin(), self.clock.now());
        let mut circuits = self.circuits();
        let circuit = circuits.entry(origin.clone()).or_default();
        let is_probe = circuit.pause.is_some();
        if let Some(pause) = &mut circuit.pause {
            let left = pause.left(now);
            if pause.probing || !left.is_zero() {
                return Err(refusal(&origin, pause, now, left));
            }
            pause.probing = true;
        }
        let answers = circuit.answers;
        drop(circuits);
        Ok(Pass { breakers: self, origin, answers, is_probe, counted: false, settled: false })
    }

    /// How long calls to the URL's origin are refused; zero where they are let through.
    pub fn pause(&self, url: &Url) -> Duration {
        let circuits = self.circuits();
        let pause = circuits.get(&url.origin()).and_then(|circuit| circuit.pause.as_ref());
        pause.map_or(Duration::ZERO, |pause| pause.left(self.clock.now()))
    }

    fn circuits(&self) -> MutexGuard<'_, HashMap<Origin, Circuit>> {
        self.circuits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refusal(origin: &Origin, pause: &Pause, now: Moment, left: Duration) -> TransportError {
    let (origin, since, last) = (origin.ascii_serialization(), rounded(now.since(pause.since)), &pause.last_fault);
    let again = if pause.probing { "now".into() } else { format!("in {:?}", rounded(left)) };
    let message =
        format!("{origin} has been failing, and was left alone for {since:?}; it is tried again {again} ({last})");
    TransportError::new(TransportErrorKind::Refused, message)
}

/// To milliseconds, upwards.
fn rounded(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_micros().div_ceil(1000)).unwrap_or(u64::MAX))
}

/// A call that was let through. It tells the breaker of what it meets.
pub(super) struct Pass<'a> {
    breakers: &'a Breakers,
    origin: Origin,
    /// How many answers there were when the current attempt began.
    answers: u64,
    is_probe: bool,
    /// Whether a failure of this call was counted already.
    counted: bool,
    /// Whether anything came of it.
    settled: bool,
}

impl Pass<'_> {
    /// Whether the call may send another attempt: a probe may not, and no other call during a pause.
    pub fn may_go_on(&mut self) -> bool {
        let circuits = self.breakers.circuits();
        let Some(circuit) = circuits.get(&self.origin).filter(|_| !self.is_probe) else { return false };
        self.answers = circuit.answers;
        circuit.pause.is_none()
    }

    /// Notes what came of an attempt.
    pub fn note(&mut self, outcome: &Result<Response, TransportError>) {
        match outcome {
            Ok(response) => match response.status() {
                status @ 502..=504 => self.failed(|| format!("HTTP {status}")),
                _ => self.answered(),
            },
            Err(error) => match error.kind {
                TransportErrorKind::TooLarge => self.answered(),
                TransportErrorKind::Request | TransportErrorKind::Internal | TransportErrorKind::Refused => {}
                TransportErrorKind::Connect
                | TransportErrorKind::Timeout
                | TransportErrorKind::Protocol
                | TransportErrorKind::Body => self.failed(|| error.message.clone()),
            },
        }
    }

    fn answered(&mut self) {
        (self.counted, self.settled) = (false, true);
        let mut circuits = self.breakers.circuits();
        let Some(circuit) = circuits.get_mut(&self.origin) else { return };
        circuit.faults = 0;
        circuit.answers += 1;
        let pause = circuit.pause.take();
        drop(circuits);
        if pause.is_some() {
            warning!("{} answers again", self.origin.ascii_serialization());
        }
    }

    fn failed(&mut self, fault: impl FnOnce() -> String) {
        let first = !std::mem::replace(&mut self.counted, true);
        self.settled = true;
        let (now, unit) = (self.breakers.clock.now(), self.breakers.unit);
        let mut circuits = self.breakers.circuits();
        let circuit = circuits.get_mut(&self.origin).filter(|circuit| circuit.answers == self.answers);
        let Some(circuit) = circuit else { return };
        match &mut circuit.pause {
            Some(pause) if self.is_probe => {
                pause.failed_probes = pause.failed_probes.saturating_add(1);
                pause.last_fault = fault();
                pause.cool_down_again(now, back_off(unit, pause.failed_probes));
            }
            None if first => {
                circuit.faults += 1;
                if circuit.faults == FAULTS {
                    let pause = circuit.pause.insert(Pause::begin(now, unit, fault()));
                    let (fault, cool_down) = (pause.last_fault.clone(), pause.cool_down);
                    // The logger is the host's: it may call this library, so no lock is held.
                    drop(circuits);
                    let origin = self.origin.ascii_serialization();
                    warning!("{origin} is left alone for {cool_down:?}, since {FAULTS} calls in a row failed: {fault}");
                }
            }
            Some(_) | None => {}
        }
    }
}

impl Drop for Pass<'_> {
    /// A probe that was given up says nothing: the same cool-down begins again, and the next probe is another's.
    fn drop(&mut self) {
        if !self.is_probe || self.settled {
            return;
        }
        let now = self.breakers.clock.now();
        let mut circuits = self.breakers.circuits();
        let circuit = circuits.get_mut(&self.origin).filter(|circuit| circuit.answers == self.answers);
        if let Some(pause) = circuit.and_then(|circuit| circuit.pause.as_mut()) {
            let cool_down = pause.cool_down;
            pause.cool_down_again(now, cool_down);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: Duration = Duration::from_secs(1);

    fn breakers() -> Breakers {
        Breakers::new(Arc::default(), UNIT)
    }

    fn url() -> Url {
        Url::parse("https://user:secret@h/p?secret").unwrap()
    }

    fn answer(status: u16) -> Result<Response, TransportError> {
        Ok(Response::with_header(status, "x", ""))
    }

    fn fault(kind: TransportErrorKind) -> Result<Response, TransportError> {
        Err(TransportError::new(kind, "it broke"))
    }

    fn refused() -> Result<Response, TransportError> {
        fault(TransportErrorKind::Connect)
    }

    fn call(breakers: &Breakers, outcome: &Result<Response, TransportError>) {
        breakers.admit(&url()).unwrap_or_else(|_| panic!("the call is refused")).note(outcome);
    }

    fn is_refused(breakers: &Breakers) -> bool {
        breakers.admit(&url()).is_err()
    }

    /// Breakers of which the one of the URL has opened just now.
    fn open() -> Breakers {
        let breakers = breakers();
        (0..FAULTS).for_each(|_| call(&breakers, &refused()));
        assert!(is_refused(&breakers));
        breakers
    }

    #[test]
    fn opens_after_five_calls_in_a_row_that_had_no_answer() {
        use TransportErrorKind::{Body, Connect, Protocol, Timeout};
        let faults = [Connect, Timeout, Protocol, Body].map(fault).into_iter().chain([502, 503, 504].map(answer));
        for outcome in faults {
            let breakers = breakers();
            for _ in 1..FAULTS {
                call(&breakers, &outcome);
            }
            assert_eq!(breakers.pause(&url()), Duration::ZERO, "{outcome:?}");
            call(&breakers, &outcome);
            assert!(is_refused(&breakers), "{outcome:?}");
            assert!((UNIT / 3..=UNIT).contains(&breakers.pause(&url())), "{outcome:?}");
        }
    }

    #[test]
    fn any_answer_begins_the_count_anew() {
        let answers = [200, 204, 302, 400, 401, 404, 408, 429, 500, 501, 505].map(answer);
        for outcome in answers.into_iter().chain([fault(TransportErrorKind::TooLarge)]) {
            let breakers = breakers();
            for _ in 0..3 {
                (1..FAULTS).for_each(|_| call(&breakers, &refused()));
                call(&breakers, &outcome);
            }
            assert!(!is_refused(&breakers), "{outcome:?}");
        }
    }

    #[test]
    fn what_was_never_sent_says_nothing() {
        use TransportErrorKind::{Internal, Refused, Request};
        let breakers = breakers();
        for kind in [Request, Internal, Refused] {
            (0..FAULTS).for_each(|_| call(&breakers, &fault(kind)));
        }
        assert!(!is_refused(&breakers));
        (1..FAULTS).for_each(|_| call(&breakers, &refused()));
        call(&breakers, &fault(Request));
        call(&breakers, &refused());
        assert!(is_refused(&breakers));
    }

    #[test]
    fn the_attempts_of_a_call_are_one_failure() {
        let breakers = breakers();
        for number in 1..=FAULTS {
            assert!(!is_refused(&breakers));
            let mut pass = breakers.admit(&url()).ok().unwrap();
            for _ in 0..4 {
                pass.note(&refused());
            }
            // Its own failure may be the one too many.
            assert_eq!(pass.may_go_on(), number < FAULTS);
        }
        assert!(is_refused(&breakers));
    }

    #[test]
    fn one_call_probes_and_the_others_are_refused_meanwhile() {
        let breakers = open();
        breakers.clock.pass(UNIT);
        let mut probe = breakers.admit(&url()).ok().unwrap();
        assert!(!probe.may_go_on());
        breakers.clock.pass(UNIT * 100);
        for _ in 0..10 {
            let error = breakers.admit(&url()).err().unwrap();
            assert!(error.message.contains("it is tried again now"), "{error}");
        }
        probe.note(&answer(200));
        drop(probe);
        for _ in 0..10 {
            call(&breakers, &answer(200));
        }
    }

    #[test]
    fn the_cool_down_grows_until_a_probe_is_answered() {
        let breakers = open();
        for (number, most) in [1, 2, 4, 8, 16, 30, 30, 30].into_iter().enumerate() {
            let left = breakers.pause(&url());
            assert!(left <= UNIT * most && left * 3 > UNIT * most, "{number}: {left:?}");
            breakers.clock.pass(left / 2);
            assert!(is_refused(&breakers), "{number}");
            breakers.clock.pass(left);
            call(&breakers, &refused());
            assert!(is_refused(&breakers), "{number}");
        }
        breakers.clock.pass(UNIT * 30);
        call(&breakers, &answer(500));
        // And then it begins from the beginning.
        (0..FAULTS).for_each(|_| call(&breakers, &refused()));
        assert!(breakers.pause(&url()) <= UNIT);
    }

    #[test]
    fn a_probe_that_was_given_up_is_followed_by_another() {
        let breakers = open();
        for _ in 0..5 {
            breakers.clock.pass(UNIT);
            drop(breakers.admit(&url()).unwrap_or_else(|_| panic!("no probe")));
            assert!(is_refused(&breakers));
            assert!(breakers.pause(&url()) <= UNIT);
        }
    }

    #[test]
    fn an_answer_to_a_call_under_way_ends_the_pause() {
        let breakers = breakers();
        let mut slow = breakers.admit(&url()).ok().unwrap();
        let mut slower = breakers.admit(&url()).ok().unwrap();
        (0..FAULTS).for_each(|_| call(&breakers, &refused()));
        assert!(!slow.may_go_on());
        slower.note(&refused());
        assert!(is_refused(&breakers));
        slow.note(&answer(200));
        assert!(!is_refused(&breakers));
    }

    #[test]
    fn what_began_before_the_last_answer_and_fails_says_nothing() {
        let breakers = breakers();
        let under_way: Vec<_> = (0..FAULTS).map(|_| breakers.admit(&url()).ok().unwrap()).collect();
        call(&breakers, &answer(200));
        under_way.into_iter().for_each(|mut pass| pass.note(&refused()));
        assert!(!is_refused(&breakers));
    }

    #[test]
    fn origins_are_apart() {
        let breakers = open();
        for other in ["http://h/", "https://h:8443/", "https://i/"] {
            let other = Url::parse(other).unwrap();
            assert!(breakers.admit(&other).is_ok() && breakers.pause(&other).is_zero(), "{other}");
        }
        assert!(breakers.admit(&Url::parse("https://h/other").unwrap()).is_err());
    }

    #[test]
    fn a_refusal_says_since_when_and_until_when_and_no_secret() {
        let breakers = open();
        breakers.clock.pass(UNIT / 4);
        let error = breakers.admit(&url()).err().unwrap();
        assert_eq!(error.kind, TransportErrorKind::Refused);
        let (start, rest) = error.message.split_once("; it is tried again in ").unwrap();
        assert!(start.starts_with("https://h has been failing, and was left alone for 25"), "{error}");
        assert!(rest.ends_with("ms (it broke)") && !error.message.contains("secret"), "{error}");
    }

    #[test]
    fn a_single_one_of_many_threads_probes() {
        let breakers = open();
        breakers.clock.pass(UNIT);
        let probes = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16).map(|_| scope.spawn(|| breakers.admit(&url()).ok())).collect();
            let passes: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            passes.into_iter().flatten().count()
        });
        assert_eq!(probes, 1);
    }
}
