//! Benchmarks of the loss window: recording an outcome, for different sizes.

use std::{hint::black_box, num::NonZeroU32};

use criterion::{Criterion, criterion_group, criterion_main};
use tcp_echo_loss::{LossWindow, Outcome};

fn loss_window(c: &mut Criterion) {
    for size in [100, 100_000] {
        let size = NonZeroU32::new(size).unwrap_or(NonZeroU32::MIN);
        let mut window = LossWindow::new(size);
        let mut slot = 0_u32;
        c.bench_function(&format!("loss window/{size}"), |b| {
            b.iter(|| {
                slot = slot.wrapping_add(1);
                let lost = slot.is_multiple_of(3);
                window.record(black_box(if lost {
                    Outcome::Lost
                } else {
                    Outcome::Received
                }));
                window.lost()
            });
        });
    }
}

criterion_group!(benches, loss_window);
criterion_main!(benches);
