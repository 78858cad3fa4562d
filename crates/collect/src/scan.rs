//! Reading a line from its left: numbers, words, dates and clocks as people and their languages write them.

use crate::moment::Day;

/// What is left of a line. A method that finds what it looks for takes it away and gives it; otherwise it leaves all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scan<'a>(pub(crate) &'a str);

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// Whether a clock's hour is of the morning or the evening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    Morning,
    Evening,
}

/// The words for the halves of a day, in Korean, English and Japanese.
const HALVES: [(&str, Half); 10] = [
    ("오전", Half::Morning),
    ("오후", Half::Evening),
    ("午前", Half::Morning),
    ("午後", Half::Evening),
    ("AM", Half::Morning),
    ("PM", Half::Evening),
    ("am", Half::Morning),
    ("pm", Half::Evening),
    ("a.m.", Half::Morning),
    ("p.m.", Half::Evening),
];

impl Scan<'_> {
    /// Exactly this text.
    pub(crate) fn text(&mut self, text: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }

    /// Blanks, also those that break no line; there may be none.
    pub(crate) fn blanks(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t', '\u{a0}', '\u{202f}', '\u{2009}']);
    }

    /// A whole number of `least` to `most` digits.
    pub(crate) fn number(&mut self, least: usize, most: usize) -> Option<i64> {
        let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
        if !(least..=most).contains(&digits) {
            return None;
        }
        let (number, rest) = self.0.split_at(digits);
        self.0 = rest;
        number.parse().ok()
    }

    /// One of several readings: the first that fits.
    pub(crate) fn either<T>(&mut self, readings: &[fn(&mut Self) -> Option<T>]) -> Option<T> {
        readings.iter().find_map(|reading| self.attempt(reading))
    }

    /// A reading that leaves all where it fails.
    pub(crate) fn attempt<T>(&mut self, reading: impl Fn(&mut Self) -> Option<T>) -> Option<T> {
        let mut ahead = *self;
        let value = reading(&mut ahead)?;
        *self = ahead;
        Some(value)
    }

    /// The name of a month in English, whole or its first three letters.
    fn month(&mut self) -> Option<i64> {
        let letters = self.0.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (word, rest) = self.0.split_at(letters);
        let word = word.to_ascii_lowercase();
        let month = MONTHS
            .iter()
            .position(|month| *month == word || (word.len() == 3 && month.starts_with(&word)))?;
        self.0 = rest.strip_prefix('.').unwrap_or(rest);
        Some(month as i64 + 1)
    }

    /// `2016년 2월 5일`
    pub(crate) fn korean_date(&mut self) -> Option<Day> {
        self.attempt(|scan| {
            let year = scan.number(4, 4)?;
            scan.text("년 ")?;
            let month = scan.number(1, 2)?;
            scan.text("월 ")?;
            let day = scan.number(1, 2)?;
            scan.text("일")?;
            Day::new(year, month, day)
        })
    }

    /// `2026. 2. 1.`
    pub(crate) fn dotted_date(&mut self) -> Option<Day> {
        self.attempt(|scan| {
            let year = scan.number(4, 4)?;
            scan.text(". ")?;
            let month = scan.number(1, 2)?;
            scan.text(". ")?;
            let day = scan.number(1, 2)?;
            scan.text(".")?;
            Day::new(year, month, day)
        })
    }

    /// `2019-03-30`, or with another sign between.
    pub(crate) fn year_first(&mut self, sign: &str) -> Option<Day> {
        self.attempt(|scan| {
            let year = scan.number(4, 4)?;
            scan.text(sign)?;
            let month = scan.number(1, 2)?;
            scan.text(sign)?;
            Day::new(year, month, scan.number(1, 2)?)
        })
    }

    /// `February 10, 2016` or `10 February 2016`, months also as three letters.
    pub(crate) fn english_date(&mut self) -> Option<Day> {
        self.either(&[
            |scan| {
                let month = scan.month()?;
                scan.text(" ")?;
                let day = scan.number(1, 2)?;
                scan.text(", ")?;
                Day::new(scan.number(4, 4)?, month, day)
            },
            |scan| {
                let day = scan.number(1, 2)?;
                scan.text(" ")?;
                let month = scan.month()?;
                scan.text(" ")?;
                Day::new(scan.number(4, 4)?, month, day)
            },
        ])
    }

    fn half(&mut self) -> Option<Half> {
        HALVES.iter().find_map(|(word, half)| self.text(word).map(|()| *half))
    }

    /// `오전 1:33`, `2:30 PM`, `23:34`, `9:05:12 PM`: hour, minute and second of a day of 24 hours. At 오전 12:05 it is
    /// five past midnight, at 오후 12:05 five past noon.
    pub(crate) fn clock(&mut self) -> Option<(i64, i64, i64)> {
        self.attempt(|scan| {
            let mut half = scan.half();
            scan.blanks();
            let hour = scan.number(1, 2)?;
            scan.text(":")?;
            let minute = scan.number(2, 2)?;
            let second = scan.attempt(|scan| {
                scan.text(":")?;
                scan.number(2, 2)
            });
            if half.is_none() {
                half = scan.attempt(|scan| {
                    scan.blanks();
                    scan.half()
                });
            }
            let hour = match half {
                None => hour,
                Some(_) if !(0..=12).contains(&hour) => return None,
                Some(Half::Morning) => hour % 12,
                Some(Half::Evening) => hour % 12 + 12,
            };
            let second = second.unwrap_or(0);
            (hour < 24 && minute < 60 && second < 60).then_some((hour, minute, second))
        })
    }

    /// The name of a day of the week with what stands around it (` 일요일`, `(Thu)`), where one stands there.
    pub(crate) fn weekday(&mut self) {
        const DAYS: [&str; 14] = [
            "월요일",
            "화요일",
            "수요일",
            "목요일",
            "금요일",
            "토요일",
            "일요일",
            "Monday",
            "Tuesday",
            "Wednesday",
            "Thursday",
            "Friday",
            "Saturday",
            "Sunday",
        ];
        let _ = self.attempt(|scan| {
            scan.blanks();
            let bracket = scan.text("(").is_some();
            let whole = DAYS.iter().find_map(|day| scan.text(day));
            whole.or_else(|| {
                DAYS.iter().find_map(|day| {
                    let short = if day.is_ascii() { &day[..3] } else { &day[..'월'.len_utf8()] };
                    // A single syllable is the name of a day in brackets only.
                    (day.is_ascii() || bracket).then(|| scan.text(short))?
                })
            })?;
            if bracket {
                scan.text(")")?;
            }
            Some(())
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn clock(text: &str, expected: Option<(i64, i64, i64)>) {
        assert_eq!(Scan(text).clock(), expected, "{text}");
    }

    #[test]
    fn twelve_is_midnight_in_the_morning_and_noon_in_the_afternoon() {
        clock("오전 12:05", Some((0, 5, 0)));
        clock("오후 12:05", Some((12, 5, 0)));
        clock("오후 1:33", Some((13, 33, 0)));
        clock("12:00 AM", Some((0, 0, 0)));
        clock("12:00\u{202f}PM", Some((12, 0, 0)));
        clock("9:05:12 PM", Some((21, 5, 12)));
        clock("23:34", Some((23, 34, 0)));
        clock("00:05", Some((0, 5, 0)));
        clock("PM 2:38", Some((14, 38, 0)));
        clock("오후 13:00", None);
        clock("24:00", None);
        clock("1:5", None);
    }

    #[test]
    fn dates_are_read_in_each_writing() {
        let day = Day::new(2016, 2, 5);
        assert_eq!(Scan("2016년 2월 5일").korean_date(), day);
        assert_eq!(Scan("2016. 2. 5.").dotted_date(), day);
        assert_eq!(Scan("2016-02-05").year_first("-"), day);
        for text in ["February 5, 2016", "Feb 5, 2016", "5 Feb 2016", "5 February 2016"] {
            assert_eq!(Scan(text).english_date(), day, "{text}");
        }
        assert_eq!(Scan("2016년 2월 30일").korean_date(), None);
        assert_eq!(Scan("Febr 5, 2016").english_date(), None);
    }

    #[test]
    fn a_weekday_is_taken_where_one_stands() {
        for text in [" 일요일", "(Thu)", "(목)", " Sunday", "Sun"] {
            let mut scan = Scan(text);
            scan.weekday();
            assert_eq!(scan.0, "", "{text}");
        }
        let mut scan = Scan(" 목이 아파");
        scan.weekday();
        assert_eq!(scan.0, " 목이 아파");
    }
}
