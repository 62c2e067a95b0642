use super::*;
use crate::page::history::step::Step;

/// 10 replies of a peer that tells, with these excesses in milliseconds, and lost packets.
fn step(millis: [u64; 4], lost: [u32; 2]) -> Step {
    Step {
        // 4.3 ms, so that the limit is 1 ms.
        counts: vec![(98, 10)],
        received: 10,
        ways: Ways {
            split: 10,
            excess: millis.map(|millis| millis * 10_000),
            segments: lost.map(|lost| Segments {
                sent: 100 + lost,
                lost,
            }),
        },
        ..Step::default()
    }
}

fn clear() -> Step {
    step([0; 4], [0; 2])
}

fn back(millis: u64) -> Step {
    step([0, 0, 0, millis], [0; 2])
}

fn lossy(forward: u32, reverse: u32) -> Step {
    step([0; 4], [forward, reverse])
}

/// Steps of 10 s, the last of which ends now.
fn timed(steps: &[Step]) -> Vec<TimedStep> {
    let ages = (0..steps.len()).rev().map(|index| index as f64 * -10.0);
    let timed = steps.iter().zip(ages).map(|(step, end)| TimedStep {
        begin: end - 10.0,
        end,
        step: step.clone(),
    });
    timed.collect()
}

fn told(steps: &[Step]) -> Verdict {
    Verdict::of_steps(&timed(steps), true)
}

/// Returns the findings as texts.
fn findings(steps: &[Step]) -> Vec<String> {
    let Verdict::Wrong(findings) = told(steps) else {
        return vec![];
    };
    let texts = findings.iter().map(|finding| {
        let Finding {
            what,
            since,
            amount,
        } = finding;
        format!("{what} {since}: {amount}")
    });
    texts.collect()
}

#[test]
fn each_part_has_its_sentence() {
    for (part, what) in SLOW.iter().enumerate() {
        let mut millis = [1; 4];
        millis[part] = 20;
        let slow = step(millis, [0; 2]);
        let steps = [clear(), slow.clone(), slow.clone(), slow];
        let expected = format!("{what} -30: 20.0 ms above its minimum");
        assert_eq!(findings(&steps), [expected]);
    }
}

#[test]
fn one_slow_step_is_not_yet_a_finding() {
    assert_eq!(told(&[clear(), clear(), back(20)]), Verdict::Clear);
    assert_eq!(told(&[back(20), clear(), back(20)]), Verdict::Clear);
}

#[test]
fn a_part_stays_slow_through_one_other_step_and_above_half_of_the_limit() {
    let half = step([0, 0, 0, 0], [0; 2]);
    let half = Step {
        ways: Ways {
            // 0.6 ms.
            excess: [0, 0, 0, 6_000],
            ..half.ways
        },
        ..half
    };
    let begin = [clear(), back(20), back(20)];
    let mean = |steps: &[Step]| {
        let steps = [&begin[..], steps].concat();
        findings(&steps).pop()
    };
    let finding = |since: i32, mean: &str| {
        Some(format!(
            "Slow on the way back {since}: {mean} above its minimum"
        ))
    };
    assert_eq!(mean(&[]), finding(-20, "20.0 ms"));
    assert_eq!(mean(&[clear(), back(20)]), finding(-40, "15.0 ms"));
    assert_eq!(mean(&[half.clone(), half.clone()]), finding(-40, "10.3 ms"));
    assert_eq!(mean(&[clear()]), finding(-30, "13.3 ms"));
    assert_eq!(mean(&[clear(), clear()]), None);
    assert_eq!(
        findings(&[clear(), half.clone(), half.clone(), half]),
        [""; 0]
    );
}

#[test]
fn another_part_takes_over() {
    let there = step([0, 30, 0, 1], [0; 2]);
    let steps = [back(20), back(20), there.clone(), there.clone(), there];
    assert_eq!(
        findings(&steps),
        ["Slow on the way there -30: 30.0 ms above its minimum"]
    );
    // No part has more than half.
    let both = step([0, 20, 0, 20], [0; 2]);
    assert_eq!(told(&[both.clone(), both.clone(), both]), Verdict::Clear);
}

#[test]
fn little_of_a_long_round_trip_is_not_slow() {
    let long = |millis| Step {
        // 131 ms, a fifth of which is 26 ms.
        counts: vec![(137, 10)],
        ..back(millis)
    };
    assert_eq!(told(&[long(20), long(20), long(20)]), Verdict::Clear);
    assert!(!findings(&[long(40), long(40), long(40)]).is_empty());
}

#[test]
fn steps_without_replies_do_not_end_a_finding() {
    let none = Step::default();
    let steps = [back(20), none.clone(), none, back(20), back(20)];
    assert_eq!(
        findings(&steps),
        ["Slow on the way back -50: 20.0 ms above its minimum"]
    );
}

#[test]
fn packets_are_lost_until_a_minute_has_none() {
    let pause = |steps| vec![clear(); steps];
    let seen = |steps: &[Vec<Step>]| findings(&steps.concat());
    let once = |forward| vec![lossy(forward, 0)];
    assert_eq!(
        seen(&[pause(3), once(1), pause(4), once(1)]),
        ["Packets are lost on the way there -60: 0.3 %"]
    );
    assert_eq!(
        seen(&[once(5), pause(7), once(2), pause(1)]),
        ["Packets are lost on the way there -20: 1.0 %"],
    );
    assert_eq!(seen(&[pause(3), once(1)]), [""; 0], "one packet");
    assert_eq!(seen(&[once(9), pause(6)]), [""; 0], "long ago");
    assert_eq!(told(&[once(9), pause(6)].concat()), Verdict::Clear);
    assert_eq!(told(&once(1)), Verdict::Unknown, "neither clear nor lossy");
}

#[test]
fn what_is_slow_for_lost_packets_is_not_said_to_be_slow_too() {
    for (part, what) in SLOW.iter().enumerate() {
        let mut millis = [0; 4];
        millis[part] = 40;
        let slow = format!("{what} -30: 40.0 ms above its minimum");
        // The way on which packets are sent again, and the host that waits for them.
        for (lost, way, slowed) in [([3, 0], "there", [1, 2]), ([0, 3], "back", [3, 0])] {
            let mut expected = vec![format!("Packets are lost on the way {way} -30: 2.9 %")];
            if !slowed.contains(&part) {
                expected.push(slow.clone());
            }
            assert_eq!(findings(&vec![step(millis, lost); 3]), expected);
        }
    }
}

#[test]
fn clear_is_said_only_of_what_is_told_now() {
    assert_eq!(told(&vec![clear(); 3]), Verdict::Clear);
    assert_eq!(told(&[]), Verdict::Unknown);
    let old = [vec![back(20); 3], vec![Step::default(); 7]].concat();
    assert_eq!(told(&old), Verdict::Unknown, "no reply for a minute");
    let mut forward = clear();
    forward.ways.segments[1] = Segments::default();
    assert_eq!(told(&[forward.clone(), forward.clone()]), Verdict::Unknown);
    forward.ways.split = 0;
    let echo = |steps: &[Step]| Verdict::of_steps(&timed(steps), false);
    assert_eq!(
        echo(&[forward.clone(), forward.clone()]),
        Verdict::OnlyEchoes
    );
    forward.ways.segments[0].lost = 2;
    assert!(matches!(echo(&[forward]), Verdict::Wrong(_)));
}

#[test]
fn the_sentence_has_the_time() {
    // 12:05:30 of a day.
    let now = UNIX_EPOCH + Duration::from_secs(86_400 * 20_000 + 12 * 3_600 + 330);
    let sentence = told(&vec![back(20); 15]).sentence(now).into_string();
    assert!(
        sentence.contains("<b>Slow on the way back</b> since <span class=\"clock\" data-at=\""),
        "{sentence}"
    );
    let end = "000\">12:03 UTC</span>: 20.0 ms above its minimum.</p>";
    assert!(sentence.ends_with(end), "{sentence}");
    let unknown = Verdict::Unknown.sentence(now).into_string();
    assert_eq!(unknown, "<p class=\"verdict\"></p>");
    assert!(Verdict::Clear.sentence(now).into_string().contains("clear"));
}
