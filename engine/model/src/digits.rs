//! Decimal digits, eight at a time and in a register: a number that is put together byte by byte has to be
//! waited for when it is copied as a whole.

/// Eight digits of a number below 10^8, zeros in front: ASCII, the first digit in the lowest byte.
#[inline]
pub fn eight(number: u32) -> u64 {
    // Two halves of four digits, each two of two, each two of one. 10486 / 2^20 and 103 / 2^10 are a
    // hundredth and a tenth, exact for what stands there.
    let (high, low) = (number / 10_000 % 10_000, number % 10_000);
    let fours = u64::from(high) | u64::from(low) << 32;
    let hundreds = ((fours * 10_486) >> 20) & 0x7f_0000_007f;
    let twos = hundreds | (fours - 100 * hundreds) << 16;
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    (tens | (twos - 10 * tens) << 8) | ZEROS
}

const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);

/// Appends a number below 10^16 without zeros in front.
#[inline]
pub fn below_10_16(out: &mut Vec<u8>, number: u64) {
    const EIGHT: u64 = 100_000_000;
    let part = |number: u64| eight(u32::try_from(number % EIGHT).unwrap_or_default());
    if number < EIGHT {
        return unpadded(out, part(number));
    }
    unpadded(out, part(number / EIGHT));
    out.extend_from_slice(&part(number).to_le_bytes());
}

/// Appends eight digits without zeros in front, but one digit at least.
#[inline]
fn unpadded(out: &mut Vec<u8>, digits: u64) {
    let zeros = ((digits ^ ZEROS).trailing_zeros() / 8).min(7);
    let end = out.len() + 8 - zeros as usize;
    out.extend_from_slice(&(digits >> (8 * zeros)).to_le_bytes());
    out.truncate(end);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_eight_digits_is_written_as_it_is() {
        let check = |number: u32| {
            let text = eight(number).to_le_bytes();
            assert_eq!(text, *format!("{number:08}").as_bytes());
        };
        (0..100_000).for_each(check);
        (0..1000).for_each(|n| check(99_999_999 - n * 99_877));
    }

    #[test]
    fn numbers_have_no_zeros_in_front() {
        let powers = (0..=15).map(|n| 10_u64.pow(n));
        for number in powers.flat_map(|power| [power - 1, power, power + 1, 9 * power]) {
            let mut out = b"x".to_vec();
            below_10_16(&mut out, number);
            assert_eq!(String::from_utf8(out).unwrap(), format!("x{number}"));
        }
    }
}
