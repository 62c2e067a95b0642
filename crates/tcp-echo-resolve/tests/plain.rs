//! Names that are looked up as the system does it, with a system that does as it is told.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::{
    net::SocketAddr,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use tcp_echo_resolve::{Failure, IpVersion, Limits, LookupType, Outcome, Resolver};
use tokio::time::timeout;

type Found = Result<Vec<SocketAddr>, Failure>;

fn addresses(list: &[&str]) -> Vec<SocketAddr> {
    list.iter()
        .map(|address| address.parse().unwrap())
        .collect()
}

/// Calls that hang until they are let go.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn wait(&self) {
        let (is_open, opened) = &*self.0;
        let mut is_open = is_open.lock().unwrap();
        while !*is_open {
            is_open = opened.wait(is_open).unwrap();
        }
    }

    fn open(&self) {
        let (is_open, opened) = &*self.0;
        *is_open.lock().unwrap() = true;
        opened.notify_all();
    }
}

/// What takes longer than this will not come.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(20);
    timeout(limit, future).await.expect("it takes too long")
}

#[tokio::test]
async fn only_the_family_that_is_wanted_is_asked_for_and_both_are_asked_for_in_one() {
    let asked = Arc::new(Mutex::new(vec![]));
    let ask = {
        let asked = asked.clone();
        move |name: &str, ip| -> Found {
            asked.lock().unwrap().push((name.to_owned(), ip));
            Ok(addresses(&["127.0.0.1:0"]))
        }
    };
    let resolver = Resolver::builder().system(ask).build();
    for ip in [IpVersion::V4, IpVersion::V6, IpVersion::Auto] {
        let mut look_up = resolver.look_up("web", ip, true);
        assert!(soon(look_up.next()).await.unwrap().is_ok());
        assert_eq!(soon(look_up.next()).await, None);
        assert_eq!(*asked.lock().unwrap(), [("web".to_owned(), ip)]);
        asked.lock().unwrap().clear();
    }
}

/// Names that hang beside one that does not, which comes last: it waits for none of them.
#[tokio::test]
async fn names_that_hang_hold_up_no_other() {
    let gate = Gate::default();
    let hang = gate.clone();
    let ask = move |name: &str, _| -> Found {
        if name == "good" {
            return Ok(addresses(&["127.0.0.1:0"]));
        }
        hang.wait();
        Err(Failure::NoAnswer)
    };
    let resolver = Resolver::builder().system(ask).build();
    let look_up = |n| resolver.look_up(&format!("bad-{n}"), IpVersion::Auto, true);
    let hanging: Vec<_> = (0..80).map(look_up).collect();
    let mut good = resolver.look_up("good", IpVersion::Auto, true);
    // They are let go only after that.
    assert!(soon(good.next()).await.unwrap().is_ok());
    gate.open();
    for mut look_up in hanging {
        let mut last = None;
        while let Some(found) = soon(look_up.next()).await {
            last = Some(found);
        }
        assert_eq!(last, Some(Err(Failure::NoAnswer)));
    }
}

/// Once it has hung, a name is asked for less and less often, and others as before.
#[tokio::test]
async fn a_name_that_has_hung_backs_off_alone() {
    let calls = Arc::new(AtomicUsize::new(0));
    let ask = {
        let calls = calls.clone();
        move |name: &str, _| -> Found {
            calls.fetch_add(1, SeqCst);
            match name {
                "bad" => Err(Failure::NoAnswer),
                _ => Err(Failure::NoSuchName),
            }
        }
    };
    let resolver = Resolver::builder().system(ask).build();
    let ended = async |name| {
        let mut look_up = resolver.look_up(name, IpVersion::V4, true);
        let found = soon(look_up.next()).await.unwrap();
        assert_eq!(soon(look_up.next()).await, None);
        found.unwrap_err()
    };
    for _ in 0..5 {
        assert_eq!(ended("bad").await, Failure::NoAnswer);
    }
    assert_eq!(calls.load(SeqCst), 1);
    for _ in 0..5 {
        assert_eq!(ended("unknown").await, Failure::NoSuchName);
    }
    assert_eq!(calls.load(SeqCst), 6);
    let stats = resolver.stats();
    assert_eq!(stats.lookups(LookupType::System, Outcome::Timeout), 1);
    assert_eq!(stats.lookups(LookupType::System, Outcome::NxDomain), 5);
}

#[tokio::test]
async fn a_name_that_is_being_looked_up_is_not_looked_up_twice() {
    let (gate, calls) = (Gate::default(), Arc::new(AtomicUsize::new(0)));
    let ask = {
        let (gate, calls) = (gate.clone(), calls.clone());
        move |_: &str, _| -> Found {
            calls.fetch_add(1, SeqCst);
            gate.wait();
            Ok(addresses(&["127.0.0.1:0"]))
        }
    };
    let resolver = Resolver::builder().system(ask).build();
    let look_up = || resolver.look_up("web", IpVersion::V4, true);
    let all: Vec<_> = (0..10).map(|_| look_up()).collect();
    gate.open();
    for mut look_up in all {
        assert!(soon(look_up.next()).await.unwrap().is_ok());
    }
    assert_eq!(calls.load(SeqCst), 1);
}

/// A server that answers for one family alone; the system waits for both.
#[tokio::test]
async fn one_family_that_is_not_answered_for_blocks_nothing() {
    let gate = Gate::default();
    let hang = gate.clone();
    let ask = move |_: &str, ip| -> Found {
        match ip {
            IpVersion::V4 => Ok(addresses(&["192.0.2.1:0"])),
            IpVersion::V6 => {
                hang.wait();
                Ok(addresses(&["[2001:db8::1]:0"]))
            }
            IpVersion::Auto => {
                hang.wait();
                Err(Failure::NoAnswer)
            }
        }
    };
    let resolver = Resolver::builder().system(ask).build();
    let mut look_up = resolver.look_up("web", IpVersion::Auto, true);
    let first = soon(look_up.next()).await.unwrap();
    assert_eq!(first, Ok(addresses(&["192.0.2.1:0"])));
    gate.open();
    let both = addresses(&["[2001:db8::1]:0", "192.0.2.1:0"]);
    let mut last = None;
    while let Some(found) = soon(look_up.next()).await {
        last = Some(found);
    }
    assert_eq!(last, Some(Ok(both)));
}

/// A server, or a firewall, that refuses to be asked for one family; for the system that is a
/// failure of both.
#[tokio::test]
async fn one_family_that_is_refused_blocks_nothing() {
    for (refused, found) in [
        (IpVersion::V6, "192.0.2.1:0"),
        (IpVersion::V4, "[2001:db8::1]:0"),
    ] {
        let ask = move |_: &str, ip| -> Found {
            if ip == IpVersion::Auto || ip == refused {
                return Err(Failure::Server);
            }
            Ok(addresses(&[found]))
        };
        let resolver = Resolver::builder().system(ask).build();
        let mut look_up = resolver.look_up("web", IpVersion::Auto, true);
        let mut last = None;
        while let Some(found) = soon(look_up.next()).await {
            last = Some(found);
        }
        assert_eq!(last, Some(Ok(addresses(&[found]))));
    }
    let resolver = Resolver::builder()
        .system(|_: &str, _| -> Found { Err(Failure::Server) })
        .build();
    let mut look_up = resolver.look_up("web", IpVersion::Auto, true);
    assert_eq!(soon(look_up.next()).await, Some(Err(Failure::Server)));
    assert_eq!(soon(look_up.next()).await, None);
}

/// An answer that comes when those who wait were told that there is none yet. The time is
/// the real one: what answers is a thread that blocks.
#[tokio::test]
async fn a_late_answer_is_an_answer() {
    let gate = Gate::default();
    let late = gate.clone();
    let ask = move |_: &str, _| -> Found {
        late.wait();
        Ok(addresses(&["192.0.2.1:0"]))
    };
    let resolver = Resolver::builder().system(ask).build();
    let mut look_up = resolver.look_up("web", IpVersion::V4, true);
    assert_eq!(soon(look_up.next()).await, Some(Err(Failure::NoAnswer)));
    gate.open();
    let found = soon(look_up.next()).await;
    assert_eq!(found, Some(Ok(addresses(&["192.0.2.1:0"]))));
    assert_eq!(soon(look_up.next()).await, None);
}

/// What waits for its turn is not late, and not asked for when nobody wants it any more.
#[tokio::test]
async fn the_wait_begins_with_the_turn() {
    let (gate, calls) = (Gate::default(), Arc::new(Mutex::new(vec![])));
    let ask = {
        let (gate, calls) = (gate.clone(), calls.clone());
        move |name: &str, _| -> Found {
            calls.lock().unwrap().push(name.to_owned());
            gate.wait();
            Ok(addresses(&["192.0.2.1:0"]))
        }
    };
    let limits = Limits {
        prompt: 1,
        slow: 1,
        all: 1,
    };
    let resolver = Resolver::builder().system(ask).limits(limits).build();
    let mut first = resolver.look_up("first", IpVersion::V4, true);
    let gone = resolver.look_up("gone", IpVersion::V4, true);
    let mut last = resolver.look_up("last", IpVersion::V4, true);
    drop(gone);
    assert_eq!(soon(first.next()).await, Some(Err(Failure::NoAnswer)));
    gate.open();
    assert!(soon(first.next()).await.unwrap().is_ok());
    assert!(soon(last.next()).await.unwrap().is_ok());
    assert_eq!(*calls.lock().unwrap(), ["first", "last"]);
}
