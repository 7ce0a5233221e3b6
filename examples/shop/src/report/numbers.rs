//! How numbers, amounts and times are printed.

use std::time::Duration;

use shop::Cents;

/// A number with thousands separators.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub(super) fn dollars(amount: Cents) -> String {
    format!("{}.{:02}", grouped(amount.0 / 100), amount.0 % 100)
}

pub(super) fn micros(micros: u64) -> String {
    format!("{}.{:02} ms", grouped(micros / 1_000), micros % 1_000 / 10)
}

pub(super) fn seconds(time: Duration) -> String {
    format!("{}.{:02}", grouped(time.as_secs()), time.subsec_millis() / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_thousands_separators() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")]
        {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(dollars(Cents(250_031_563)), "2,500,315.63");
        assert_eq!(micros(12_345), "12.34 ms");
        assert_eq!(seconds(Duration::from_millis(1_250)), "1.25");
    }
}
