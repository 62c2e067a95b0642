//! The text formats: names, labels and numbers.

use super::encoder::Number;

/// Appends a label.
pub(super) fn label(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"=\"");
    for byte in value.bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'"' => out.extend_from_slice(b"\\\""),
            b'\n' => out.extend_from_slice(b"\\n"),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// Appends a sample. Of `labels`, any may be empty.
#[inline]
pub(super) fn sample(
    out: &mut Vec<u8>,
    name: &str,
    suffix: &str,
    labels: [&[u8]; 2],
    number: Number,
) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(suffix.as_bytes());
    let mut before = b'{';
    for labels in labels {
        if !labels.is_empty() {
            out.push(before);
            out.extend_from_slice(labels);
            before = b',';
        }
    }
    if before == b',' {
        out.push(b'}');
    }
    out.push(b' ');
    match number {
        Number::Int(value) => out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes()),
        Number::Float(value) => out.extend_from_slice(float(&mut dtoa::Buffer::new(), value)),
    }
    out.push(b'\n');
}

fn float(buffer: &mut dtoa::Buffer, value: f64) -> &[u8] {
    if value.is_finite() {
        buffer.format_finite(value).as_bytes()
    } else if value.is_nan() {
        b"NaN"
    } else if value > 0.0 {
        b"+Inf"
    } else {
        b"-Inf"
    }
}

/// Returns a bound as the value of `le` in `OpenMetrics`.
pub(super) fn openmetrics_bound(bound: f64) -> String {
    String::from_utf8_lossy(float(&mut dtoa::Buffer::new(), bound)).into_owned()
}

/// Returns a bound as the value of `le` in the format 0.0.4: as Go's `%g` prints it, so that
/// it is the same series as that of an exporter in Go.
pub(super) fn go_bound(bound: f64) -> String {
    if bound.is_infinite() {
        return "+Inf".to_owned();
    }
    if bound == 0.0 || (1e-4..1e6).contains(&bound.abs()) {
        return bound.to_string();
    }
    let text = format!("{bound:e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) => {
            let exponent: i32 = exponent.parse().unwrap_or(0);
            format!("{mantissa}e{exponent:+03}")
        }
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_written_as_go_writes_them() {
        for (bound, expected) in [
            (0.0, "0"),
            (1e-6, "1e-06"),
            (0.000_025_6, "2.56e-05"),
            (0.0001, "0.0001"),
            (1.6384, "1.6384"),
            (3600.0, "3600"),
            (1e6, "1e+06"),
            (1.5e7, "1.5e+07"),
            (1e100, "1e+100"),
            (f64::INFINITY, "+Inf"),
        ] {
            assert_eq!(go_bound(bound), expected);
        }
    }

    #[test]
    fn a_bound_in_openmetrics_has_no_exponent_where_it_need_not() {
        assert_eq!(openmetrics_bound(1e-6), "0.000001");
        assert_eq!(openmetrics_bound(1.0), "1.0");
        assert_eq!(openmetrics_bound(f64::INFINITY), "+Inf");
    }

    #[test]
    fn numbers_that_are_not_finite_are_written_as_prometheus_reads_them() {
        let written = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(|value| {
            let mut out = Vec::new();
            sample(&mut out, "a", "", [b"", b""], Number::Float(value));
            String::from_utf8(out).unwrap()
        });
        assert_eq!(written, ["a NaN\n", "a +Inf\n", "a -Inf\n"]);
    }
}
