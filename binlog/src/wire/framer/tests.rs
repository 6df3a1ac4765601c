use proptest::prelude::*;

use super::*;

/// Packets as a server sends them: payloads of full length go on in another.
fn stream(payloads: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut number = 0_u8;
    for payload in payloads {
        let mut rest = &payload[..];
        loop {
            let (part, after) = rest.split_at(rest.len().min(PART_MAX));
            let len = u32::try_from(part.len()).unwrap().to_le_bytes();
            out.extend_from_slice(&[len[0], len[1], len[2], number]);
            out.extend_from_slice(part);
            number = number.wrapping_add(1);
            rest = after;
            if part.len() < PART_MAX {
                break;
            }
        }
    }
    out
}

/// What one read of the socket does, where it has `bytes`. Returns how many it took.
fn read(framer: &mut Framer, bytes: &[u8]) -> usize {
    let mut room = framer.room();
    assert!(room.remaining_mut() > 0, "a read into no room looks like the end");
    let taken = room.remaining_mut().min(bytes.len());
    room.put_slice(&bytes[..taken]);
    taken
}

/// All packets of `bytes`, read in pieces of these lengths in turn.
fn packets(bytes: &[u8], pieces: &[usize]) -> Result<Vec<Bytes>, FrameError> {
    let mut framer = Framer::new();
    let mut found = Vec::new();
    let mut pieces = pieces.iter().cycle();
    let mut rest = bytes;
    while !rest.is_empty() {
        let piece = rest.len().min(*pieces.next().unwrap());
        let taken = read(&mut framer, &rest[..piece]);
        rest = &rest[taken..];
        while let Some(packet) = framer.packet()? {
            found.push(packet);
        }
    }
    Ok(found)
}

fn filled(len: usize, salt: usize) -> Vec<u8> {
    (0..len).map(|n| u8::try_from((n * 31 + salt) % 251).unwrap()).collect()
}

fn lengths() -> impl Strategy<Value = Vec<usize>> {
    let length = prop_oneof![
        6 => 0_usize..600,
        2 => 0_usize..20_000,
        1 => SEGMENT_BYTES - 10..SEGMENT_BYTES + 10,
        1 => SEGMENT_BYTES..4 * SEGMENT_BYTES,
    ];
    proptest::collection::vec(length, 0..60)
}

fn pieces() -> impl Strategy<Value = Vec<usize>> {
    let piece = prop_oneof![1_usize..8, 1_usize..2_000, 1_usize..2 * SEGMENT_BYTES];
    // One large piece at least, so that it ends.
    (proptest::collection::vec(piece, 0..12), 1_000_usize..SEGMENT_BYTES)
        .prop_map(|(pieces, large)| [pieces, vec![large]].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn however_a_stream_is_cut_into_reads_its_packets_are_the_same(
        lengths in lengths(), pieces in pieces(),
    ) {
        let payloads: Vec<_> = lengths.iter().enumerate().map(|(n, len)| filled(*len, n)).collect();
        let found = packets(&stream(&payloads), &pieces).unwrap();
        prop_assert!(found == payloads);
    }

    #[test]
    fn packets_that_are_dropped_at_once_never_spoil_those_that_are_kept(
        lengths in lengths(), pieces in pieces(), keep in proptest::collection::vec(any::<bool>(), 1..20),
    ) {
        let payloads: Vec<_> = lengths.iter().enumerate().map(|(n, len)| filled(*len, n)).collect();
        let bytes = stream(&payloads);
        let (mut framer, mut rest) = (Framer::new(), &bytes[..]);
        let (mut kept, mut n) = (Vec::new(), 0);
        let mut pieces = pieces.iter().cycle();
        while !rest.is_empty() {
            let piece = rest.len().min(*pieces.next().unwrap());
            let taken = read(&mut framer, &rest[..piece]);
            rest = &rest[taken..];
            while let Some(packet) = framer.packet().unwrap() {
                if keep[n % keep.len()] {
                    kept.push((n, packet));
                }
                n += 1;
            }
        }
        prop_assert_eq!(n, payloads.len());
        for (n, packet) in kept {
            prop_assert!(packet == payloads[n], "packet {}", n);
        }
    }

    #[test]
    fn any_bytes_are_packets_or_an_error_and_never_a_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..5_000), pieces in pieces(),
    ) {
        let _ = packets(&bytes, &pieces);
    }
}

/// All packets of `bytes` that begin with `first`, taken as they lie there; how many did not.
fn pieces_of(
    bytes: &[u8],
    pieces: &[usize],
    first: u8,
) -> Result<(Vec<Vec<u8>>, usize), FrameError> {
    let mut framer = Framer::new();
    let (mut found, mut others) = (Vec::new(), 0);
    let mut pieces = pieces.iter().cycle();
    let mut rest = bytes;
    while !rest.is_empty() {
        let piece = rest.len().min(*pieces.next().unwrap());
        let taken = read(&mut framer, &rest[..piece]);
        rest = &rest[taken..];
        while let Some(piece) = framer.piece(first)? {
            match piece {
                Piece::Rows(rows) => {
                    let mut rest = &rows[..];
                    while !rest.is_empty() {
                        let (row, taken) = image(rest).unwrap();
                        assert_eq!(row[0], first);
                        found.push(row.to_vec());
                        rest = &rest[taken..];
                    }
                }
                Piece::Other(other) => {
                    assert_ne!(other.first(), Some(&first));
                    others += 1;
                }
            }
        }
    }
    Ok((found, others))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn packets_that_are_taken_together_are_those_that_come_one_by_one(
        lengths in lengths(), pieces in pieces(),
    ) {
        let payloads: Vec<_> = lengths.iter().enumerate().map(|(n, len)| filled(*len, n % 3)).collect();
        let (found, others) = pieces_of(&stream(&payloads), &pieces, 1).unwrap();
        let expect: Vec<_> = payloads.iter().filter(|p| p.first() == Some(&1)).cloned().collect();
        prop_assert_eq!(others, payloads.len() - expect.len());
        prop_assert!(found == expect);
    }

    #[test]
    fn any_bytes_are_rows_or_an_error_and_never_a_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..5_000), pieces in pieces(),
    ) {
        let _ = (pieces_of(&bytes, &pieces, 0), image(&bytes));
    }
}

#[test]
fn large_packets_are_rows_too() {
    let lengths = [PART_MAX - 1, 7, PART_MAX, PART_MAX + 1, SEGMENT_BYTES, 2 * PART_MAX];
    let payloads: Vec<_> = lengths.iter().map(|len| filled(*len, 0)).collect();
    let (found, others) = pieces_of(&stream(&payloads), &[1 << 20, 7], 0).unwrap();
    assert!(found == payloads && others == 0);
    assert_eq!(image(&[2, 0, 0, 0, 1]), None, "cut");
    assert_eq!(image(&[2, 0, 0, 0, 1, 2, 3]), Some((&[1, 2][..], 6)));
}

#[test]
fn a_number_out_of_order_is_an_error_among_rows_too() {
    let mut bytes = stream(&[filled(10, 0), filled(10, 0)]);
    bytes[14 + 3] = 7;
    let error = pieces_of(&bytes, &[100], 0).unwrap_err();
    assert_eq!(error, FrameError::OutOfOrder { expected: 1, found: 7 });
}

#[test]
fn a_number_out_of_order_is_an_error() {
    let mut bytes = stream(&[filled(10, 0), filled(10, 1)]);
    bytes[14 + 3] = 7;
    let error = packets(&bytes, &[100]).unwrap_err();
    assert_eq!(error, FrameError::OutOfOrder { expected: 1, found: 7 });
}

#[test]
fn numbers_wrap_and_begin_anew_with_a_command() {
    let payloads: Vec<_> = (0..600).map(|n| filled(3, n)).collect();
    assert_eq!(packets(&stream(&payloads), &[1000]).unwrap().len(), 600);
    let mut framer = Framer::new();
    for _ in 0..2 {
        framer.begin_command();
        read(&mut framer, &stream(&[filled(5, 0)]));
        assert_eq!(framer.packet().unwrap().unwrap(), filled(5, 0));
    }
}

#[test]
fn a_stream_that_is_cut_gives_no_packet_that_is_not_whole() {
    let bytes = stream(&[filled(700, 0)]);
    for len in [0, 1, 3, 4, 5, 703] {
        assert!(packets(&bytes[..len], &[64]).unwrap().is_empty(), "{len} bytes");
    }
    assert_eq!(packets(&bytes, &[64]).unwrap().len(), 1);
}

#[test]
fn packets_of_and_beyond_sixteen_mebibytes_are_put_together() {
    let lengths = [PART_MAX - 1, PART_MAX, PART_MAX + 1, 5, 2 * PART_MAX, 0];
    let payloads: Vec<_> = lengths.iter().enumerate().map(|(n, len)| filled(*len, n)).collect();
    for pieces in [&[1 << 20, 7][..], &[300_000]] {
        let found = packets(&stream(&payloads), pieces).unwrap();
        let same = found.iter().map(Bytes::len).eq(lengths);
        assert!(same && found == payloads, "{pieces:?}");
    }
}

#[test]
fn a_packet_beyond_what_a_server_may_send_is_refused_before_it_is_held() {
    let mut framer = Framer::new();
    let so_far = PACKET_BYTES_MAX - 10;
    read(&mut framer, &[11, 0, 0, 0]);
    // As if the parts before had come.
    let mut bytes = BytesMut::new();
    bytes.resize(HEADER_LEN + so_far, 0);
    framer.large = Some(Large { bytes, until: HEADER_LEN + so_far, goes_on: true });
    assert_eq!(framer.packet(), Err(FrameError::TooLarge { bytes: PACKET_BYTES_MAX + 1 }));
}

#[test]
fn memory_is_taken_as_bytes_come_and_not_as_a_length_claims() {
    let mut framer = Framer::new();
    read(&mut framer, &[0xfe, 0xff, 0xff, 0, 1, 2, 3]);
    assert_eq!(framer.packet(), Ok(None));
    read(&mut framer, &[4]);
    let held = framer.large.as_ref().unwrap().bytes.capacity();
    assert!(held <= 2 * SEGMENT_BYTES, "{held} bytes are held for 4");
}

#[test]
fn packets_that_lie_whole_in_a_segment_are_not_copied() {
    let bytes = stream(&[filled(100, 0), filled(200, 1), filled(300, 2)]);
    let mut framer = Framer::new();
    assert_eq!(read(&mut framer, &bytes), bytes.len());
    let places: Vec<_> =
        (0..3).map(|_| framer.packet().unwrap().unwrap()).map(|p| (p.as_ptr(), p)).collect();
    let (first, _) = places[0];
    assert_eq!(places[1].0, first.wrapping_add(100 + HEADER_LEN));
    assert_eq!(places[2].0, first.wrapping_add(300 + 2 * HEADER_LEN));
}

#[test]
fn a_stream_whose_packets_are_dropped_stays_in_the_same_memory() {
    let bytes = stream(&[filled(100_000, 0)]);
    let mut framer = Framer::new();
    let mut places = std::collections::HashSet::new();
    for _ in 0..100 {
        framer.begin_command();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            rest = &rest[read(&mut framer, rest)..];
        }
        let packet = framer.packet().unwrap().unwrap();
        places.insert(packet.as_ptr() as usize / SEGMENT_BYTES);
    }
    assert!(places.len() <= 4, "{} places", places.len());
}
