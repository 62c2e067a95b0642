//! Repeated look-ups of a target's name.

use std::{
    future::Future,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tcp_echo_resolve::{Failure, LookUp, Resolver};
use tokio::time::{Sleep, sleep};

use crate::IpVersion;

/// A name that is looked up at an interval and on request, one look-up at a time.
pub(crate) struct Name {
    resolver: Resolver,
    text: String,
    ip: IpVersion,
    every: Duration,
    state: State,
}

enum State {
    Waiting(Pin<Box<Sleep>>),
    /// A look-up, and its next result.
    LookingUp(Pin<Box<dyn Future<Output = (NameLookUp, Option<Found>)> + Send>>),
}

type NameLookUp = LookUp<Vec<SocketAddr>>;
type Found = Result<Vec<SocketAddr>, Failure>;

impl Name {
    /// A name whose first look-up is on request.
    pub(crate) fn new(resolver: Resolver, text: String, ip: IpVersion, every: Duration) -> Self {
        Self {
            resolver,
            text,
            ip,
            every,
            // Spreads names that start together, from the first look-up on.
            state: wait(every, 0.75),
        }
    }

    /// Starts a look-up now, unless one is under way. It is urgent without an earlier
    /// answer.
    pub(crate) fn look_up(&mut self, is_urgent: bool) {
        if let State::Waiting(_) = self.state {
            let look_up = self.resolver.look_up(&self.text, self.ip, is_urgent);
            self.state = looking_up(look_up);
        }
    }

    /// The next result: an answer, which may be partial or late, or a failure; `None` at the
    /// end of a look-up.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Found>> {
        loop {
            match &mut self.state {
                State::Waiting(wait) => {
                    ready!(wait.as_mut().poll(cx));
                    self.look_up(false);
                }
                State::LookingUp(next) => {
                    let (look_up, found) = ready!(next.as_mut().poll(cx));
                    self.state = match &found {
                        Some(_) => looking_up(look_up),
                        None => wait(self.every, 0.25),
                    };
                    return Poll::Ready(found);
                }
            }
        }
    }
}

fn looking_up(mut look_up: NameLookUp) -> State {
    State::LookingUp(Box::pin(async move {
        let found = look_up.next().await;
        (look_up, found)
    }))
}

/// Waits for `every`, randomly shortened by up to this fraction, so that names are not all
/// looked up at once.
fn wait(every: Duration, shortened: f64) -> State {
    let every = every.mul_f64(1.0 - shortened * fastrand::f64());
    State::Waiting(Box::pin(sleep(every)))
}

/// This host.
pub(crate) fn this_host() -> Vec<SocketAddr> {
    [
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
    ]
    .map(|ip| SocketAddr::new(ip, 0))
    .to_vec()
}

/// The addresses of the families in `ip`, with `port` and without duplicates, families
/// interleaved, the first one's family first (RFC 8305, section 4); at least one.
pub(crate) fn interleaved(
    found: Vec<SocketAddr>,
    port: u16,
    ip: IpVersion,
) -> Result<Vec<SocketAddr>, Failure> {
    let first_is_v6 = found.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = found
        .into_iter()
        .filter(|address| ip.includes(address.ip()))
        .partition(|address| address.is_ipv6() == first_is_v6);
    let mut addresses = Vec::with_capacity(first.len() + second.len());
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    loop {
        let pair = [first.next(), second.next()];
        if pair == [None, None] {
            break;
        }
        for mut address in pair.into_iter().flatten() {
            address.set_port(port);
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
    }
    if addresses.is_empty() {
        let missing = match ip {
            IpVersion::Auto => "it has no address",
            IpVersion::V4 => "it has no IPv4 address",
            IpVersion::V6 => "it has no IPv6 address",
        };
        return Err(Failure::Other(missing.into()));
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(addresses: &[&str]) -> Vec<SocketAddr> {
        addresses.iter().map(|a| a.parse().unwrap()).collect()
    }

    #[test]
    fn families_alternate_and_nothing_comes_twice() {
        let found = list(&["[::1]:0", "[::2]:0", "[::1]:0", "1.1.1.1:0", "1.1.1.2:0"]);
        assert_eq!(
            interleaved(found.clone(), 1, IpVersion::Auto),
            Ok(list(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "1.1.1.2:1"]))
        );
        assert_eq!(
            interleaved(found.clone(), 1, IpVersion::V4),
            Ok(list(&["1.1.1.1:1", "1.1.1.2:1"]))
        );
        assert_eq!(
            interleaved(found, 1, IpVersion::V6),
            Ok(list(&["[::1]:1", "[::2]:1"]))
        );
    }

    #[test]
    fn a_family_that_is_missing_is_named() {
        let error = interleaved(list(&["127.0.0.1:0"]), 1, IpVersion::V6).unwrap_err();
        assert_eq!(error.to_string(), "it has no IPv6 address");
        let this = interleaved(this_host(), 4000, IpVersion::Auto);
        assert_eq!(this, Ok(list(&["127.0.0.1:4000", "[::1]:4000"])));
    }

    #[tokio::test]
    async fn a_name_is_looked_up_again_and_spread_in_time() {
        let ask = |_: &str, _| Ok(vec!["127.0.0.1:0".parse().unwrap()]);
        let resolver = Resolver::builder().system(ask).build();
        let every = Duration::from_millis(40);
        let mut name = Name::new(resolver, "web".to_owned(), IpVersion::V4, every);
        name.look_up(true);
        for _ in 0..3 {
            let found = std::future::poll_fn(|cx| name.poll(cx)).await;
            assert_eq!(found, Some(Ok(list(&["127.0.0.1:0"]))));
            let started = std::time::Instant::now();
            assert_eq!(std::future::poll_fn(|cx| name.poll(cx)).await, None);
            let State::Waiting(wait) = &name.state else {
                panic!("it does not wait");
            };
            let due = wait.deadline().into_std() - started;
            assert!(due >= every.mul_f64(0.7), "{due:?}");
        }
    }
}
