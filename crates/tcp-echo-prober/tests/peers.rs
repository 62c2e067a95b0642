//! The prober and peers of all kinds, over real loopback.

mod common;

use std::time::Instant;

use common::{Log, echo, frame, ms, peer, probing, probing_as, probing_with};
use tcp_echo_prober::{
    ConnectFailure, DisconnectReason, Event, Features, Options, Prober, SessionConfig, Target,
    TargetSet, UnsentReason, Wire,
};
use tcp_echo_wire::Control;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

#[tokio::test]
async fn an_echo_peer() {
    let address = peer(|stream, _| echo(stream)).await;
    probing(&address.to_string(), async |log| {
        log.until("100 replies", |seen| seen.counts.received >= 100).await;
        log.see(|seen| {
            assert_eq!(seen.counts.unexpected, 0);
            let connected = seen.events.iter().find_map(|(_, event)| match event {
                Event::Connected { address, .. } => Some(*address),
                _ => None,
            });
            assert_eq!(connected, Some(address));
        });
        if cfg!(target_os = "linux") {
            assert!(log.count(|event| matches!(event, Event::TcpInfo(_))) >= 1);
            let stamped = |event: &Event| {
                matches!(event, Event::Received { host_delay: Some(delay), .. } if !delay.is_zero())
            };
            assert!(log.count(stamped) > 50);
        }
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_says_that_it_stops() {
    let address = peer(|mut stream, n| async move {
        let hello = frame(&mut stream).await.unwrap();
        let Some(Control::HelloRequest(asked)) = Control::decode(&hello) else {
            panic!("{hello:?}");
        };
        let answer = Control::HelloAnswer(asked.intersection(Features::DEPARTURE));
        stream.write_all(&answer.encode()).await.unwrap();
        if n == 0 {
            for _ in 0..10 {
                let probe = frame(&mut stream).await.unwrap();
                stream.write_all(&probe).await.unwrap();
            }
            let departure = Control::Departure.encode();
            stream.write_all(&departure).await.unwrap();
        }
        echo(stream).await;
    })
    .await;
    probing(&address.to_string(), async |log| {
        log.until("100 replies", |seen| seen.counts.received >= 100)
            .await;
        let reason = DisconnectReason::Closed;
        let closed = Event::Disconnected { reason };
        assert_eq!(log.count(|event| *event == Event::Departed), 1);
        assert_eq!(log.count(|event| *event == closed), 1);
        log.see(|seen| {
            assert_eq!((seen.counts.timeouts, seen.counts.unsent_total()), (0, 0));
        });
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_answers_one_byte_at_a_time() {
    let address = peer(|mut stream, _| async move {
        while let Some(frame) = frame(&mut stream).await {
            for byte in frame {
                if stream.write_all(&[byte]).await.is_err() {
                    return;
                }
                tokio::task::yield_now().await;
            }
        }
    })
    .await;
    probing(&address.to_string(), async |log| {
        log.until("50 replies", |seen| seen.counts.received >= 50)
            .await;
        log.see(|seen| assert_eq!(seen.counts.unexpected, 0));
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_is_late() {
    let address = peer(|mut stream, _| async move {
        while let Some(frame) = frame(&mut stream).await {
            tokio::time::sleep(ms(40)).await;
            if stream.write_all(&frame).await.is_err() {
                return;
            }
        }
    })
    .await;
    let session = SessionConfig::new(ms(100), ms(20)).unwrap();
    let target = Target::new(address.to_string().parse().unwrap(), session);
    probing_as(target, async |log| {
        log.until("5 late replies", |seen| seen.counts.late >= 5)
            .await;
        log.see(|seen| {
            assert_eq!((seen.counts.received, seen.counts.unexpected), (0, 0));
            assert!(seen.counts.timeouts >= 5);
            assert!(seen.loss >= 1.0);
        });
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_closes_at_once_is_not_hammered() {
    let address = peer(|stream, _| async move { drop(stream) }).await;
    probing(&address.to_string(), async |log| {
        tokio::time::sleep(ms(1500)).await;
        let connects = log.count(|event| matches!(event, Event::Connected { .. }));
        // 100, 200, 400 and 800 ms, each shortened by half at most.
        assert!((2..=6).contains(&connects), "{connects}");
        log.see(|seen| {
            assert_eq!(seen.counts.received, 0);
            assert!(seen.loss >= 1.0);
            assert!(seen.counts.unsent(UnsentReason::Disconnected) > 100);
        });
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_resets_and_comes_back() {
    let address = peer(|mut stream, n| async move {
        if n == 0 {
            for _ in 0..20 {
                let Some(frame) = frame(&mut stream).await else {
                    return;
                };
                if stream.write_all(&frame).await.is_err() {
                    return;
                }
            }
            stream.set_zero_linger().unwrap();
            return;
        }
        echo(stream).await;
    })
    .await;
    probing(&address.to_string(), async |log| {
        log.until("replies on two connections", |seen| {
            seen.counts.received >= 60
        })
        .await;
        let reset = |event: &Event| {
            matches!(
                event,
                Event::Disconnected {
                    reason: DisconnectReason::Reset
                }
            )
        };
        assert_eq!(log.count(reset), 1);
        let seqs: Vec<u64> = log.see(|seen| {
            let seq = |event: &Event| match event {
                Event::Sent { seq, .. } => Some(seq.0),
                _ => None,
            };
            seen.events
                .iter()
                .filter_map(|(_, event)| seq(event))
                .collect()
        });
        assert!(seqs.iter().copied().eq(1..=seqs.len() as u64));
    })
    .await;
}

#[tokio::test]
async fn a_silent_peer_is_replaced() {
    let address = peer(|mut stream, n| async move {
        while let Some(frame) = frame(&mut stream).await {
            if n > 0 && stream.write_all(&frame).await.is_err() {
                return;
            }
        }
    })
    .await;
    probing(&address.to_string(), async |log| {
        let start = Instant::now();
        log.until("a reply", |seen| seen.counts.received > 0).await;
        // The stall limit is 500 ms, the first delay at most 80 ms.
        assert!(start.elapsed() >= ms(500) && start.elapsed() < ms(1500));
        let stalled = |event: &Event| {
            matches!(
                event,
                Event::Disconnected {
                    reason: DisconnectReason::Stalled
                }
            )
        };
        assert_eq!(log.count(stalled), 1);
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_sends_garbage_without_end() {
    let address = peer(|mut stream, _| async move {
        while stream.write_all(&[0xA5; 4096]).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    probing(&address.to_string(), async |log| {
        log.until("a stall", |seen| {
            let stalled = |event: &Event| {
                matches!(
                    event,
                    Event::Disconnected {
                        reason: DisconnectReason::Stalled
                    }
                )
            };
            seen.count(stalled) > 0
        })
        .await;
        log.see(|seen| {
            assert_eq!(seen.counts.received, 0);
            assert!(seen.counts.unexpected > 1000);
            assert!(seen.counts.timeouts > 0);
        });
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_duplicates() {
    let address = peer(|mut stream, _| async move {
        while let Some(frame) = frame(&mut stream).await {
            if stream.write_all(&[frame, frame].concat()).await.is_err() {
                return;
            }
        }
    })
    .await;
    probing(&address.to_string(), async |log| {
        log.until("50 duplicates", |seen| seen.counts.unexpected >= 50)
            .await;
        log.see(|seen| assert!(seen.counts.received >= 50));
    })
    .await;
}

/// The kernel's buffers fill, and slots are unsent; when the peer reads again,
/// every frame is whole.
// Elsewhere timers are too coarse to fill a connection in this time.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_peer_that_does_not_read_for_a_while() {
    let listener = {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(2048).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        socket.listen(8).unwrap()
    };
    let address = listener.local_addr().unwrap();
    let session = SessionConfig::new(ms(1) / 50, ms(20)).unwrap();
    let session = session.with_stall(60 * ms(1000)).unwrap();
    let target = Target::new(address.to_string().parse().unwrap(), session);
    probing_as(target, async |log| {
        let (mut stream, _) = listener.accept().await.unwrap();
        log.until("backpressure", |seen| {
            seen.counts.unsent(UnsentReason::Backpressure) > 100
        })
        .await;
        let sent = log.see(|seen| seen.counts.sent);
        let _hello = frame(&mut stream).await.unwrap();
        for seq in 1..=sent {
            let frame = frame(&mut stream).await.unwrap();
            assert_eq!(frame[..8], seq.to_le_bytes());
        }
        log.until("more sent", |seen| seen.counts.sent > sent).await;
        assert_eq!(
            log.count(|event| matches!(event, Event::Disconnected { .. })),
            0
        );
    })
    .await;
}

/// A peer of another protocol closes a connection that begins with a hello.
#[tokio::test]
async fn a_peer_that_closes_on_the_hello() {
    let address = peer(async |mut stream, _| {
        let Some(first) = frame(&mut stream).await else {
            return;
        };
        if first[2..8] == *b"tcpem\xff" {
            return;
        }
        stream.write_all(&first).await.unwrap();
        echo(stream).await;
    })
    .await;
    probing(&address.to_string(), async |log| {
        log.until("replies", |seen| seen.counts.received >= 20)
            .await;
        let ended = log.count(|event| matches!(event, Event::Disconnected { .. }));
        assert_eq!(ended, 2, "the third connection does without");
        assert_eq!(log.count(|event| matches!(event, Event::Greeted { .. })), 0);
    })
    .await;
}

/// A server that insists on the prefix.
#[tokio::test]
async fn a_peer_of_24_byte_frames() {
    let address = peer(async |mut stream, _| {
        let mut frame = [0; 24];
        while stream.read_exact(&mut frame).await.is_ok() && frame[..8] == *b"TCPPING\0" {
            if stream.write_all(&frame).await.is_err() {
                return;
            }
        }
    })
    .await;
    let session = SessionConfig::new(ms(10), ms(200)).unwrap();
    let target = Target::new(address.to_string().parse().unwrap(), session);
    let mut options = Options::default();
    options.wire = Wire::Prefixed;
    probing_with(options, target, async |log| {
        log.until("replies", |seen| seen.counts.received >= 20)
            .await;
        log.see(|seen| assert_eq!((seen.counts.timeouts, seen.counts.unexpected), (0, 0)));
    })
    .await;
}

#[tokio::test]
async fn nobody_listens() {
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    probing(&address.to_string(), async |log| {
        log.until("3 failures", |seen| {
            let refused = |event: &Event| {
                matches!(
                    event,
                    Event::ConnectFailed {
                        reason: ConnectFailure::Refused
                    }
                )
            };
            seen.count(refused) >= 3
        })
        .await;
        log.see(|seen| assert!(seen.loss >= 1.0));
        // Now a peer listens.
        let listener = TcpListener::bind(address).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(echo(stream));
        log.until("a reply", |seen| seen.counts.received > 0).await;
    })
    .await;
}

#[tokio::test]
async fn a_name_that_does_not_resolve() {
    probing("no-such-name.invalid:4000", async |log| {
        log.until("2 failures", |seen| {
            let dns = |event: &Event| {
                matches!(
                    event,
                    Event::ConnectFailed {
                        reason: ConnectFailure::Dns
                    }
                )
            };
            seen.count(dns) >= 2
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn inside_the_runtime_of_an_embedder() {
    let address = peer(|stream, _| echo(stream)).await;
    let log = Log::default();
    let session = SessionConfig::new(ms(5), ms(20)).unwrap();
    let target = Target::new(address.to_string().parse().unwrap(), session);
    let prober = Prober::builder()
        .observer((log.clone(), ()))
        .targets(TargetSet::new([target]).unwrap());
    let enough = log.until("50 replies", |seen| seen.counts.received >= 50);
    prober.run(enough).await.unwrap();
    log.see(|seen| assert_eq!((seen.attached, seen.detached), (1, 1)));
    let closed = |event: &Event| {
        matches!(
            event,
            Event::Disconnected {
                reason: DisconnectReason::Closed
            }
        )
    };
    assert_eq!(log.count(closed), 1);
}

#[tokio::test]
async fn a_changed_list_leaves_what_is_unchanged_alone() {
    let address = peer(|stream, _| echo(stream)).await.to_string();
    let session = SessionConfig::new(ms(5), ms(20)).unwrap();
    let target = |name: &str| Target::new(address.parse().unwrap(), session.clone()).named(name);
    let set = |names: &[&str]| TargetSet::new(names.iter().map(|name| target(name))).unwrap();
    let log = Log::default();
    let prober = Prober::builder()
        .observer(log.clone())
        .threads(2.try_into().unwrap())
        .targets(set(&["a", "b", "c"]))
        .start()
        .unwrap();
    let connects = |event: &Event| matches!(event, Event::Connected { .. });
    log.until("3 connections", |seen| seen.count(connects) == 3)
        .await;
    let changes = prober.apply(set(&["a", "c", "d"])).unwrap();
    assert_eq!((changes.removed.len(), changes.added.len()), (1, 1));
    log.until("a fourth", |seen| seen.detached == 1 && seen.attached == 4)
        .await;
    assert_eq!(prober.targets().len(), 3);
    tokio::time::sleep(ms(200)).await;
    assert_eq!(log.count(connects), 4);
    drop(prober);
    log.see(|seen| assert_eq!((seen.attached, seen.detached), (4, 4)));
}
