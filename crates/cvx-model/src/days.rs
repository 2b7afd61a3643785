//! Dates as numbers.

use chrono::{DateTime, NaiveDate, NaiveDateTime};

/// Forms of a date with a time of day and without an offset.
const FORMS: [&str; 4] = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];

/// Seconds of a day.
const DAY: f64 = 86_400.0;

/// Days since 1970-01-01 of a date in the form of ISO 8601, with or without a time of day and an offset.
pub(crate) fn days_since_1970(text: &str) -> Option<f64> {
    let days = |time: NaiveDateTime| {
        let time = time.and_utc();
        (time.timestamp() as f64 + f64::from(time.timestamp_subsec_nanos()) * 1e-9) / DAY
    };
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return date.and_hms_opt(0, 0, 0).map(days);
    }
    let with_offset = DateTime::parse_from_rfc3339(text).ok().map(|time| time.naive_utc());
    with_offset.or_else(|| FORMS.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())).map(days)
}

#[cfg(test)]
mod tests {
    use super::days_since_1970;

    #[test]
    fn dates_are_days_since_1970() {
        for (text, days) in [
            ("1970-01-01", 0.0),
            ("1969-12-31", -1.0),
            ("2000-02-29", 11_016.0),
            ("1970-01-02T12:00", 1.5),
            ("1970-01-02 06:00:00", 1.25),
            ("1970-01-02T06:00:00.000Z", 1.25),
            ("1970-01-02T07:00:00+01:00", 1.25),
        ] {
            assert_eq!(days_since_1970(text), Some(days), "{text}");
        }
        for text in ["", "1970", "1970-13-01", "1970-02-30", "31.12.1999", "12/31/1999", "1970-01-01 noon"] {
            assert_eq!(days_since_1970(text), None, "{text}");
        }
    }
}
