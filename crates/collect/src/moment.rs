//! When something was said: a date and a clock, mostly without a time zone.

use std::fmt::Write as _;

/// A day, counted from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Day(i64);

/// A time of the local clock that wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Seconds of that clock since its 1970-01-01 00:00.
    seconds: i64,
    /// How many minutes the clock is ahead of UTC, where that is known.
    offset: Option<i32>,
}

const DAY: i64 = 86_400;

impl Day {
    /// A date of the Gregorian calendar; none where there is no such day, or a year that no export has.
    pub(crate) fn new(year: i64, month: i64, day: i64) -> Option<Self> {
        if !(1970..=2200).contains(&year) || !(1..=12).contains(&month) {
            return None;
        }
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let length = match month {
            2 => 28 + i64::from(leap),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        if !(1..=length).contains(&day) {
            return None;
        }
        // Years that begin in March put the leap day at their end: 153 days in every five months from then.
        let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        Some(Self(365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468))
    }

    /// A time of this day.
    pub(crate) fn at(self, hour: i64, minute: i64, second: i64) -> Moment {
        Moment { seconds: self.0 * DAY + hour * 3600 + minute * 60 + second, offset: None }
    }

    /// The number of its month, from 1.
    pub(crate) fn month(self) -> i64 {
        self.civil().1
    }

    /// The inverse of [`Day::new`].
    fn civil(self) -> (i64, i64, i64) {
        let days = self.0 + 719_468;
        let mut year = (days * 400) / 146_097;
        let start = |year: i64| 365 * year + year / 4 - year / 100 + year / 400;
        while start(year + 1) <= days {
            year += 1;
        }
        while start(year) > days {
            year -= 1;
        }
        let of_year = days - start(year);
        let m = (5 * of_year + 2) / 153;
        let day = of_year - (153 * m + 2) / 5 + 1;
        if m < 10 { (year, m + 3, day) } else { (year + 1, m - 9, day) }
    }
}

impl Moment {
    /// From seconds since 1970 in UTC; none for a time that no export has.
    pub(crate) fn utc(seconds: i64) -> Option<Self> {
        (0..=Day::new(2200, 1, 1)?.0 * DAY).contains(&seconds).then_some(Self { seconds, offset: Some(0) })
    }

    /// From `2019-01-04T17:52:39`, a `T` or a space between, with or without a fraction and an offset.
    pub(crate) fn iso(text: &str) -> Option<Self> {
        let number = |range: std::ops::Range<usize>| {
            let digits = text.get(range)?;
            digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<i64>().ok())?
        };
        let is =
            |at: usize, any: &str| text.as_bytes().get(at).is_some_and(|byte| any.as_bytes().contains(byte));
        if !(is(4, "-") && is(7, "-") && is(10, "T ") && is(13, ":") && is(16, ":")) {
            return None;
        }
        let day = Day::new(number(0..4)?, number(5..7)?, number(8..10)?)?;
        let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let rest = text.get(19..)?.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
        Some(Self { offset: offset(rest), ..day.at(hour, minute, second) })
    }

    /// The same moment with its offset, where `utc` is when it was in UTC.
    pub(crate) fn beside(self, utc: Self) -> Self {
        let ahead = self.seconds - utc.seconds;
        let is_zone = ahead.abs() <= 14 * 3600 && ahead % 60 == 0;
        Self { offset: is_zone.then_some((ahead / 60) as i32).or(self.offset), ..self }
    }

    /// The day that its clock shows.
    fn day(self) -> Day {
        Day(self.seconds.div_euclid(DAY))
    }

    /// Seconds from `earlier` to this one, by the clocks that wrote them.
    pub(crate) fn since(self, earlier: Self) -> i64 {
        self.seconds - earlier.seconds
    }

    /// As RFC 3339 has it; `offset` is in minutes and stands in where the moment has none of its own.
    pub(crate) fn rfc3339(self, offset: i32) -> String {
        let offset = self.offset.unwrap_or(offset);
        let (year, month, day) = self.day().civil();
        let clock = self.seconds.rem_euclid(DAY);
        let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
        let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
        let (sign, ahead) = if offset < 0 { ('-', -offset) } else { ('+', offset) };
        write!(text, "{sign}{:02}:{:02}", ahead / 60, ahead % 60).expect("a String takes everything");
        text
    }
}

/// Minutes ahead of UTC from `Z`, `+09:00` or `-0530`.
pub(crate) fn offset(text: &str) -> Option<i32> {
    if text == "Z" {
        return Some(0);
    }
    let sign = match text.bytes().next()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits: String = text[1..].chars().filter(|c| *c != ':').collect();
    if digits.len() != 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes): (i32, i32) = (digits[..2].parse().ok()?, digits[2..].parse().ok()?);
    (hours <= 14 && minutes <= 59).then_some(sign * (hours * 60 + minutes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!(Day::new(1970, 1, 1), Some(Day(0)));
        assert_eq!(Day::new(2000, 3, 1), Some(Day(11_017)));
        assert_eq!(Day::new(2026, 11, 24), Some(Day(20_781)));
        for (year, month, day) in [(2023, 2, 29), (1900, 2, 29), (2024, 13, 1), (2024, 4, 31), (2024, 1, 0)] {
            assert_eq!(Day::new(year, month, day), None);
        }
        for day in (0..80_000).step_by(13) {
            let (year, month, date) = Day(day).civil();
            assert_eq!(Day::new(year, month, date), Some(Day(day)));
        }
    }

    #[test]
    fn iso_times_keep_their_offset() {
        let time = |text| Moment::iso(text).map(|moment| moment.rfc3339(540));
        assert_eq!(time("2019-01-04T17:52:39.762+00:00").as_deref(), Some("2019-01-04T17:52:39+00:00"));
        assert_eq!(time("2021-12-29 20:36:00").as_deref(), Some("2021-12-29T20:36:00+09:00"));
        assert_eq!(time("2021-12-29 20:36:00-05:30").as_deref(), Some("2021-12-29T20:36:00-05:30"));
        for text in ["", "2021-12-29", "2021-12-29 24:00:00", "2021-13-29 20:00:00", "가나다라마바사아자차카"]
        {
            assert_eq!(time(text), None, "{text}");
        }
    }
}
