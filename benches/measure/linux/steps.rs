//! What is measured, in its order.

use std::cell::RefCell;

use anyhow::{Result, bail};

use super::results::{Group, Results};
use super::{
    coalescing, criterion, curve, instructions, machine, others, page, probers, program, scale,
    servers,
};
use testkit::report::Report;

type Step = fn(bool) -> Result<Group>;

/// Those that need a quiet machine come first, right after the build.
const STEPS: &[(&str, Step)] = &[
    ("servers against the floor", servers::compare),
    ("probers against the floor", probers::compare),
    ("what one process has to hold", scale::measure),
    ("beside other programs", others::compare),
    ("instructions", instructions::count),
    ("parts alone", criterion::all),
];

/// Everything, under headlines; without `quick` it is written down too.
pub(super) fn all(report: &mut Report, quick: bool) {
    let built = RefCell::new(false);
    report.step("build", || {
        program::build(quick)?;
        built.replace(true);
        Ok(())
    });
    if !built.into_inner() {
        return;
    }
    let results = RefCell::new(Results::new(machine::line()));
    report.step("the grid of wake-ups", || {
        let mut pictures = Vec::new();
        let group = machine::timed(|| {
            let (group, drawn) = coalescing::compare(quick)?;
            pictures = drawn;
            Ok(group)
        })?;
        group.print();
        let mut results = results.borrow_mut();
        results.groups.push(group);
        results.pictures.extend(pictures);
        Ok(())
    });
    for (name, step) in STEPS {
        report.step(name, || {
            let group = machine::timed(|| step(quick))?;
            group.print();
            results.borrow_mut().groups.push(group);
            Ok(())
        });
    }
    report.step("cost of many targets", || {
        let (group, points) = curve::measure(quick)?;
        group.print();
        let mut results = results.borrow_mut();
        results.groups.push(group);
        results.pictures.extend(curve::pictures(&points));
        results.curve = points;
        Ok(())
    });
    let results = results.into_inner();
    if quick {
        return;
    }
    report.step("written down", || page::write(&results));
    report.step("within the targets", || {
        let missed: Vec<_> = results.missed().collect();
        if !missed.is_empty() {
            bail!("missed: {}", missed.join("; "));
        }
        Ok(())
    });
}
