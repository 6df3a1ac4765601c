//! Decimals, exactly.

use crate::table::Misfit;

/// The text with exactly `scale` digits after the point, rounded half away from zero.
///
/// # Errors
/// What is no number, and one with more than `precision - scale` digits before the point.
pub(super) fn canonical(text: &str, precision: u8, scale: u8) -> Result<String, Misfit> {
    let number = parse(text.trim()).ok_or(Misfit::Unparsable)?;
    let scale = usize::from(scale);
    let point = number.point;
    // Digits of the value times ten to the scale: what stands before `point + scale`.
    let kept = point.saturating_add(i64::try_from(scale).unwrap_or(i64::MAX));
    if kept > 256 {
        return Err(Misfit::DecimalRange);
    }
    let kept = usize::try_from(kept).ok();
    let mut digits: Vec<u8> = match kept {
        Some(kept) => {
            number.digits.iter().copied().chain(std::iter::repeat(0)).take(kept).collect()
        }
        None => Vec::new(),
    };
    let rounds_up = kept.and_then(|kept| number.digits.get(kept)).is_some_and(|next| *next >= 5);
    if rounds_up {
        increment(&mut digits);
    }
    let leading = digits.iter().take_while(|digit| **digit == 0).count();
    digits.drain(..leading);
    if digits.len() > usize::from(precision) {
        return Err(Misfit::DecimalRange);
    }
    Ok(write(number.negative, &digits, scale))
}

struct Number {
    negative: bool,
    /// Without leading zeros.
    digits: Vec<u8>,
    /// Where the point stands, counted from the first digit.
    point: i64,
}

fn parse(text: &str) -> Option<Number> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (rest, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let digits = whole.bytes().chain(fraction.bytes());
    let digits: Option<Vec<u8>> = digits.map(|b| b.is_ascii_digit().then(|| b - b'0')).collect();
    let mut digits = digits?;
    let leading = digits.iter().take_while(|digit| **digit == 0).count();
    digits.drain(..leading);
    let point = i64::try_from(whole.len()).ok()? - i64::try_from(leading).ok()?;
    // Zero has no digits, whatever its exponent.
    let point = if digits.is_empty() { 0 } else { point + i64::from(exponent) };
    Some(Number { negative, digits, point })
}

fn increment(digits: &mut Vec<u8>) {
    for digit in digits.iter_mut().rev() {
        if *digit < 9 {
            *digit += 1;
            return;
        }
        *digit = 0;
    }
    digits.insert(0, 1);
}

fn write(negative: bool, digits: &[u8], scale: usize) -> String {
    let mut text = String::with_capacity(digits.len() + 3);
    if negative && !digits.is_empty() {
        text.push('-');
    }
    let zeros = (scale + 1).saturating_sub(digits.len());
    let all = std::iter::repeat_n(&0, zeros).chain(digits);
    let whole = zeros + digits.len() - scale;
    for (place, digit) in all.enumerate() {
        if place == whole {
            text.push('.');
        }
        text.push(char::from(b'0' + digit));
    }
    text
}
