//! The queue under many threads, and with calls that end in every way there is.

use std::collections::HashMap;
use std::future::{pending, ready};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use super::client::armoriq_client;
use super::completions::{Answer, Call, Pending, Queue, Ticket, to_its_end};
use super::handles::{self, Held};
use crate::client::Client;
use crate::config::ClientOptions;
use crate::decision::Verdict;
use crate::{Error, Result};

const LONG: Duration = Duration::from_secs(20);

fn client() -> Client {
    let options = crate::json::parse_object(r#"{"api_key": "ak_test_x"}"#).unwrap();
    Client::new(ClientOptions::from_json(&options).unwrap()).unwrap()
}

/// A handle of the client's, and what keeps it.
fn handle(client: &Client) -> (*mut armoriq_client, Held) {
    let handle = handles::insert(client.clone()).unwrap();
    (handle, handles::hold::<Client>(handle).unwrap())
}

fn done(text: &str) -> Result<Answer> {
    Ok(Answer { verdict: Verdict::Allow, json: text.to_owned() })
}

fn submit(queue: &Queue, client: &Client, user_data: u64, call: Pending) -> Result<Ticket> {
    let ticket = queue.reserve(user_data)?;
    let (handle, held) = handle(client);
    ticket.clone().run(client, held, call)?;
    assert!(handles::remove::<Client>(handle));
    Ok(ticket)
}

fn next(queue: &Queue) -> (u64, Result<String>) {
    let completion = queue.next(Some(LONG)).unwrap();
    (completion.user_data, completion.outcome.map(|answer| answer.json))
}

#[test]
fn every_accepted_call_gives_exactly_one_completion() {
    const THREADS: u64 = 8;
    const EACH: u64 = 400;
    let (client, queue) = (client(), Queue::new(300).unwrap());
    let (accepted, refused) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
    let (seen, finished) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let submit_all = |numbers: std::ops::Range<u64>| {
        for number in numbers {
            let sleep = Duration::from_micros(number * 7919 % 3000);
            let call: Pending = match number % 4 {
                0 => Box::pin(ready(done("at once"))),
                1 => Box::pin(async move {
                    tokio::time::sleep(sleep).await;
                    done("later")
                }),
                2 => Box::pin(async { panic!("a bug") }),
                _ => Box::pin(pending()),
            };
            let ticket = match submit(&queue, &client, number, call) {
                Ok(ticket) => ticket,
                Err(Error::QueueFull(_)) => {
                    refused.fetch_add(1, Ordering::SeqCst);
                    thread::sleep(Duration::from_millis(1));
                    continue;
                }
                Err(error) => panic!("{error}"),
            };
            accepted.lock().unwrap().push(number);
            // What never ends has to be cancelled; the others are now and then.
            if number % 4 == 3 || number % 5 == 0 {
                let call = Call::new(&ticket);
                thread::sleep(sleep / 4);
                call.cancel();
                call.cancel();
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    // What was there before the end is fetched after it.
                    let last = finished.load(Ordering::SeqCst);
                    match queue.next(Some(Duration::from_millis(20))) {
                        Ok(completion) => seen.lock().unwrap().push((completion.user_data, completion.outcome.err())),
                        Err(Error::Timeout(_)) if last => return,
                        Err(error) => assert!(matches!(error, Error::Timeout(_)), "{error}"),
                    }
                }
            });
        }
        let submit_all = &submit_all;
        let submitters: Vec<_> =
            (0..THREADS).map(|thread| scope.spawn(move || submit_all(thread * EACH..(thread + 1) * EACH))).collect();
        submitters.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(client.close(LONG)["pending"], 0);
        finished.store(true, Ordering::SeqCst);
    });
    let accepted = accepted.into_inner().unwrap();
    assert_eq!(accepted.len() + refused.into_inner(), (THREADS * EACH) as usize);
    assert!(accepted.len() > 1000, "{}", accepted.len());
    let mut outcomes = HashMap::<u64, Vec<Option<Error>>>::new();
    seen.into_inner().unwrap().into_iter().for_each(|(number, error)| outcomes.entry(number).or_default().push(error));
    assert_eq!(outcomes.len(), accepted.len());
    for number in accepted {
        match (outcomes[&number].as_slice(), number % 4) {
            ([None], 0 | 1) | ([Some(Error::Cancelled)], 3) => {}
            ([Some(Error::Cancelled)], _) if number % 5 == 0 => {}
            ([Some(Error::Internal(message))], 2) => assert!(message.contains("a bug")),
            (other, _) => panic!("{number}: {other:?}"),
        }
    }
    // Nothing is left that takes a place.
    let places: Vec<_> = (0..300).map(|number| queue.reserve(number).unwrap()).collect();
    assert!(matches!(queue.reserve(0), Err(Error::QueueFull(300))));
    drop(places);
}

#[test]
fn a_panic_is_the_calls_outcome_and_spoils_its_handle_only() {
    let (client, queue) = (client(), Queue::new(4).unwrap());
    let ((spoilt, held), (sound, _)) = (handle(&client), handle(&client));
    let ticket = queue.reserve(7).unwrap();
    ticket.run(&client, held, Box::pin(async { panic!("a bug") })).unwrap();
    assert_eq!(next(&queue), (7, Err(Error::Internal("panic: a bug".into()))));
    assert!(matches!(handles::find::<Client>(spoilt), Err(Error::Internal(_))));
    assert!(handles::find::<Client>(sound).is_ok());
    submit(&queue, &client, 8, Box::pin(ready(done("fine")))).unwrap();
    assert_eq!(next(&queue), (8, Ok("fine".into())));
    assert!(handles::remove::<Client>(spoilt) && handles::remove::<Client>(sound));
}

#[test]
fn a_call_whose_thread_is_gone_completes_all_the_same() {
    let (client, queue) = (client(), Queue::new(1).unwrap());
    let ticket = queue.reserve(1).unwrap();
    client.spawn(|| to_its_end(ticket, handle(&client).1, Box::pin(pending()))).unwrap().abort();
    assert!(matches!(next(&queue), (1, Err(Error::Internal(_)))));
}

/// A future that tells when it is dropped.
fn tells_its_end() -> (Pending, mpsc::Receiver<()>) {
    let (dropped, end) = mpsc::channel::<()>();
    let call = Box::pin(async move {
        let _dropped = dropped;
        pending().await
    });
    (call, end)
}

fn ended(end: &mpsc::Receiver<()>) -> bool {
    end.recv_timeout(LONG) == Err(mpsc::RecvTimeoutError::Disconnected)
}

#[test]
fn a_cancelled_call_is_let_go() {
    let (client, queue) = (client(), Queue::new(1).unwrap());
    let (call, end) = tells_its_end();
    let ticket = submit(&queue, &client, 1, call).unwrap();
    Call::new(&ticket).cancel();
    assert!(matches!(queue.next(Some(Duration::ZERO)).unwrap().outcome, Err(Error::Cancelled)));
    assert!(ended(&end));
    assert_eq!(client.close(Duration::ZERO)["pending"], 0);
}

#[test]
fn the_end_of_a_queue_cancels_its_calls_and_sends_away_who_waits() {
    let (client, queue) = (client(), Arc::new(Queue::new(3).unwrap()));
    let (call, end) = tells_its_end();
    thread::scope(|scope| {
        let waiters: Vec<_> = (0..3).map(|_| scope.spawn(|| queue.next(None).map(|_| ()))).collect();
        thread::sleep(Duration::from_millis(20));
        submit(&queue, &client, 1, call).unwrap();
        queue.end();
        for waiter in waiters {
            assert!(matches!(waiter.join().unwrap(), Err(Error::InvalidHandle(_))));
        }
    });
    assert!(ended(&end));
    assert!(matches!(queue.reserve(1), Err(Error::InvalidHandle(_))));
    assert_eq!(client.close(Duration::ZERO)["pending"], 0);
}

#[test]
fn closing_waits_for_calls_and_then_ends_them() {
    let (first, queue) = (client(), Queue::new(3).unwrap());
    let soon = || async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        done("in time")
    };
    submit(&queue, &first, 1, Box::pin(soon())).unwrap();
    let start = Instant::now();
    assert_eq!(first.close(LONG)["pending"], 0);
    assert!(start.elapsed() < LONG / 2);
    // It had ended when the client was closed.
    assert_eq!(queue.next(Some(Duration::ZERO)).unwrap().outcome.unwrap().json, "in time");
    assert!(matches!(submit(&queue, &first, 2, Box::pin(soon())), Err(Error::Closed)));

    let (second, (call, end)) = (client(), tells_its_end());
    submit(&queue, &second, 3, call).unwrap();
    assert_eq!(second.close(Duration::from_millis(30))["pending"], 1);
    assert!(matches!(queue.next(Some(Duration::ZERO)).unwrap().outcome, Err(Error::Closed)));
    assert!(ended(&end));
    assert_eq!(second.close(Duration::ZERO)["pending"], 0);
    assert!(matches!(queue.next(Some(Duration::ZERO)), Err(Error::Timeout(_))));
}

#[test]
fn many_submissions_race_with_closing() {
    let (client, queue) = (client(), Queue::new(10_000).unwrap());
    let accepted = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while submit(&queue, &client, 1, Box::pin(pending())).is_ok() {
                    accepted.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        thread::sleep(Duration::from_millis(20));
        client.close(Duration::ZERO);
    });
    for _ in 0..accepted.into_inner() {
        assert!(matches!(queue.next(Some(LONG)).unwrap().outcome, Err(Error::Closed)));
    }
    assert!(matches!(queue.next(Some(Duration::ZERO)), Err(Error::Timeout(_))));
    assert_eq!(client.close(LONG)["pending"], 0);
}
