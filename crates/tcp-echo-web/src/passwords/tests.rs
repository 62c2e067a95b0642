//! Who is let in, and how long it takes to say no.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use super::*;
use crate::config::Config;

/// Hashes of `secret` for users that are named with their costs.
fn users(users: &[(&str, u32)]) -> Users {
    let entry = |(user, cost): &(&str, u32)| {
        let hash = bcrypt::hash("secret", *cost).unwrap();
        format!("{user}: {hash}")
    };
    let users: Vec<_> = users.iter().map(entry).collect();
    let text = format!("basic_auth_users: {{{}}}", users.join(", "));
    let config = Config::parse(Path::new("web.yml"), &text);
    config.unwrap().users
}

fn request(user: &str, password: &str) -> HeaderMap {
    header(&format!(
        "Basic {}",
        STANDARD.encode(format!("{user}:{password}"))
    ))
}

fn header(value: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, value.parse().unwrap());
    headers
}

#[tokio::test]
async fn users_with_their_passwords_are_welcome() {
    let users = users(&[("alice", 4), ("bob", 5)]);
    let passwords = Passwords::new().unwrap();
    // The second time from memory.
    for _ in 0..2 {
        for (user, password, outcome) in [
            ("alice", "secret", Outcome::Allowed),
            ("bob", "secret", Outcome::Allowed),
            ("alice", "Secret", Outcome::Unknown),
            ("alice", "", Outcome::Unknown),
            ("alice", "secret:", Outcome::Unknown),
            ("carol", "secret", Outcome::Unknown),
            ("", "secret", Outcome::Unknown),
        ] {
            let said = passwords
                .check(&users, &request(user, password), None)
                .await;
            assert_eq!(said, outcome, "{user}:{password}");
        }
    }
    let lower = request("alice", "secret");
    let lower = lower[header::AUTHORIZATION].to_str().unwrap();
    let lower = header(&lower.replace("Basic", "bASIC"));
    assert_eq!(
        passwords.check(&users, &lower, None).await,
        Outcome::Allowed
    );
    for value in [
        "Basic",
        "Basic ",
        "Basic !",
        "Basic YWxpY2U=",
        "Bearer YWxpY2U6c2VjcmV0",
    ] {
        let said = passwords.check(&users, &header(value), None).await;
        assert_eq!(said, Outcome::Unknown, "{value}");
    }
    assert_eq!(
        passwords.check(&users, &HeaderMap::new(), None).await,
        Outcome::Unknown
    );
    let nobody = Users::default();
    assert_eq!(
        passwords.check(&nobody, &HeaderMap::new(), None).await,
        Outcome::Allowed
    );
}

#[tokio::test]
async fn a_new_hash_makes_the_old_password_wrong() {
    let passwords = Passwords::new().unwrap();
    let request = request("alice", "secret");
    let before = users(&[("alice", 4)]);
    assert_eq!(
        passwords.check(&before, &request, None).await,
        Outcome::Allowed
    );
    let text = format!(
        "basic_auth_users: {{alice: {}}}",
        bcrypt::hash("other", 4).unwrap()
    );
    let after = Config::parse(Path::new("web.yml"), &text).unwrap();
    assert_eq!(
        passwords.check(&after.users, &request, None).await,
        Outcome::Unknown
    );
    // And gone is gone.
    let others = users(&[("bob", 4)]);
    assert_eq!(
        passwords.check(&others, &request, None).await,
        Outcome::Unknown
    );
}

#[tokio::test]
async fn what_is_known_is_bounded_and_right_ones_stay() {
    let users = users(&[("alice", 4)]);
    let passwords = Passwords::new().unwrap();
    let good = request("alice", "secret");
    assert_eq!(passwords.check(&users, &good, None).await, Outcome::Allowed);
    let mut known = Known::default();
    for index in 0..10_000_u32 {
        let mut fingerprint = Fingerprint::default();
        fingerprint[..4].copy_from_slice(&index.to_le_bytes());
        known.insert(fingerprint, false);
        passwords.known().insert(fingerprint, false);
    }
    assert_eq!(known.wrong.len(), MAX_RESULTS);
    // With nobody's turn, only memory can tell.
    let _permit = passwords.queue.acquire(None).await.unwrap();
    assert_eq!(passwords.check(&users, &good, None).await, Outcome::Allowed);
}

#[tokio::test]
async fn no_more_wait_than_may() {
    let users = users(&[("alice", 4)]);
    let passwords = Passwords::new().unwrap();
    let permit = passwords.queue.acquire(None).await.unwrap();
    let (good, wrong) = (request("alice", "secret"), request("alice", "wrong"));
    let mut guesses: Vec<_> = (0..100)
        .map(|_| Box::pin(passwords.check(&users, &wrong, None)))
        .collect();
    let polled = guesses.iter_mut().map(|guess| first_poll(guess.as_mut()));
    let polled: Vec<_> = polled.collect();
    assert_eq!(polled.first(), Some(&None));
    assert_eq!(polled.last(), Some(&Some(Outcome::Busy)));
    // Another client's password is checked all the same.
    let elsewhere = Some("192.0.2.1".parse().unwrap());
    let mut waiting = std::pin::pin!(passwords.check(&users, &good, elsewhere));
    assert!(first_poll(waiting.as_mut()).is_none());
    drop(permit);
    assert_eq!(waiting.await, Outcome::Allowed);
}

/// What a future gives at its first poll.
fn first_poll<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.poll(&mut context) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

/// The factor within which the medians of a refusal's time lie for all users. One step
/// of bcrypt's cost would be 2, an answer without a hash some thousand.
const FACTOR: f64 = 1.5;

#[tokio::test]
async fn an_unknown_user_costs_what_a_wrong_password_costs() {
    const ROUNDS: usize = 15;
    // The cheap hash would tell that its user is there.
    let users = users(&[("cheap", 4), ("dear", 6)]);
    let passwords = Passwords::new().unwrap();
    let names = ["cheap", "dear", "nobody"];
    let mut times = [const { Vec::<Duration>::new() }; 3];
    // In turn, so that whatever else the machine does strikes all alike.
    for round in 0..ROUNDS {
        for (name, times) in names.iter().zip(&mut times) {
            let request = request(name, &format!("wrong {round}"));
            let before = Instant::now();
            assert_eq!(
                passwords.check(&users, &request, None).await,
                Outcome::Unknown
            );
            times.push(before.elapsed());
        }
    }
    // What else the machine does only ever adds to them.
    let least = times.map(|times| times.into_iter().min().unwrap().as_secs_f64());
    println!("least of {names:?}: {least:?} s");
    let shortest = least.iter().copied().fold(f64::INFINITY, f64::min);
    let longest = least.iter().copied().fold(0.0, f64::max);
    assert!(longest < shortest * FACTOR, "{names:?}: {least:?}");
}
